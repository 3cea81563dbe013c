"""`tinycnn netadapt`: a network made narrower, layer by layer, until it is as fast as wanted."""
from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.tasks import FASHION_MNIST
from .choices import (
    FAILURES,
    add_data,
    add_network,
    add_running,
    complain_of,
    data_choice,
    engine_choice,
    network_choice,
    resumable,
    tell,
)
from .console import positive

if TYPE_CHECKING:
    from ..analysis.studies.netadapt_files import Row

STEM_STRIDE = 1  # of Fashion-MNIST's small images
LAYER = 24  # characters of a layer's name


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("netadapt", help="shrink a network to a latency", description="NetAdapt (Yang et al., "
                                 "ECCV 2018): step by step the layer gets narrower that costs least accuracy for the "
                                 "latency that is won, measured on this machine. Into --out go adapted.npz, the "
                                 "network, after each step and at last; steps.csv and steps.json.")
    add_network(parser)
    add_data(parser, default=FASHION_MNIST)
    _add_search(parser)
    add_running(parser)
    parser.set_defaults(run=_netadapt)


def _add_search(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("search")
    group.add_argument("--budget", type=float, required=True, metavar="SHARE", help="of the network's latency that may "
                       "be left, such as 0.7")
    for name, default, meaning in (
            ("steps", 5, "equal reductions that lead there"),
            ("short-steps", 25, "batches that a proposal is trained on"),
            ("start-epochs", 3, "of training before the search, without --weights"),
            ("long-epochs", 3, "of training after it"),
            ("divisor", 8, "widths that are tried are its multiples"),
            ("latency-threads", 1, "threads that the network is to run on")):
        group.add_argument(f"--{name}", type=positive, default=default, metavar="N", help=f"{meaning} (default: "
                           "%(default)s)")
    group.add_argument("--seed", type=int, default=0, help="of all randomness (default: %(default)s)")
    group.add_argument("--out", metavar="DIR", help="directory of the search (default: runs/netadapt-MODEL)")
    group.add_argument("--resume", action="store_true", help="go on with the search in --out")


def _netadapt(options: argparse.Namespace) -> int:
    from ..analysis.studies.netadapt import Settings, netadapt  # not needed by the other commands
    from ..analysis.studies.netadapt_networks import ALIASES

    out = Path(options.out or f"runs/netadapt-{options.model}")
    try:
        network = network_choice(options)
        network = replace(network, model=ALIASES.get(network.model, network.model))
        if options.stem_stride is None and data_choice(options).of_garments:
            network = replace(network, options={"stem_stride": STEM_STRIDE, **network.options})
        settings = Settings(options.budget, options.steps, options.short_steps, options.start_epochs,
                            options.long_epochs, options.divisor, options.latency_threads, options.seed)
        with resumable("step"):
            found = netadapt(network, data_choice(options), settings, out, engine=engine_choice(options),
                             resume=options.resume, tell=tell, show=_show)
    except FAILURES as error:
        return complain_of(error)
    first, last = found["rows"][0], found["rows"][-1]
    print(f"{network.model}: {first['measured_ms']:.3f} ms to {last['measured_ms']:.3f} ms measured "
          f"({first['predicted_ms']:.3f} to {last['predicted_ms']:.3f} by the table) in {last['step']} steps, accuracy "
          f"{100 * found['accuracy']:.2f} % of the images to test with; see {out}")
    return 0


def _show(row: Row) -> None:
    """A line for each step, as it ends."""
    what = f"{row.layer:{LAYER}} {row.width_before:4} to {row.width:4}" if row.layer else "as it was"
    print(f"step {row.step:2}  {what:{LAYER + 13}}  predicted {row.predicted_ms:.4f} ms, measured "
          f"{row.measured_ms:.4f} ms, held-out accuracy {100 * row.accuracy:.2f} %", flush=True)
