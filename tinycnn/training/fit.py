"""fit: epochs of steps, and what is measured and kept between them."""
from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from .checkpoint import Checkpoint
from .log import CSVLog
from .progress import Choice, Progress
from .steps import Step


def fit(step: Step, loader: Iterable[tuple[Any, Any]], epochs: int, *,
        evaluate: Callable[[], Mapping[str, float]] | None = None, schedule: Any = None, ema: Any = None,
        log: CSVLog | str | os.PathLike[str] | None = None, checkpoint: Checkpoint | None = None,
        resume: bool = False, progress: Choice = "auto") -> list[dict[str, float]]:
    """Call `step(x, y)`, which returns the loss, with every batch of `loader`, for `epochs` passes over it.

    After each epoch comes `evaluate()`, a dict of measures; then a row of `log` (epoch, loss: the mean over the
    images, lr: the learning rate by then, the measures, seconds); then `checkpoint.save`.  schedule: its `step()`
    follows each call of `step`.  loader: anything that can be iterated over again; where it has an attribute
    `epoch`, that is set first, so that it can choose the order.  ema: an `optim.ExponentialMovingAverage`, updated
    after each step; `evaluate` then sees the model with averaged weights.  Schedule and ema should be parts of the
    checkpoint.  progress: see `Progress`.

    resume: go on after the last epoch that `checkpoint` holds, if its file exists; a run that was killed at any
    moment ends with the same bits as one that was not, if `step` and `loader` are deterministic.  Without it, a
    checkpoint or a log that exists is in the way, and is not touched.

    Returns the rows of the epochs run by this call.  Raises FloatingPointError, with the epoch and the step, at a
    loss that is not finite (log and checkpoint stay those of the epoch before), FileExistsError where a file
    is in the way, ValueError for an empty loader, ImportError for progress=True without tqdm.

    >>> fit(lambda x, y: 0.5 * x, [(1, [0]), (2, [0])], epochs=1, progress=False)[0]["loss"]
    0.75
    """
    display = Progress(progress)
    log = CSVLog(log) if isinstance(log, (str, os.PathLike)) else log
    first = _start(checkpoint, log, resume)
    after = [part for part in (schedule and schedule.step, ema and ema.update) if part]
    rows = []
    for epoch in range(first, epochs):
        title = f"epoch {epoch + 1}/{epochs}"
        started = time.perf_counter()
        row: dict[str, float] = {"epoch": epoch + 1, "loss": _run_epoch(step, loader, after, epoch, title, display)}
        if schedule is not None:
            row["lr"] = schedule.optimizer.param_groups[0]["lr"]
        with ema.averaged() if ema is not None else nullcontext():
            row.update(evaluate() if evaluate is not None else {})
        row["seconds"] = round(time.perf_counter() - started, 3)
        if log is not None:
            log.write(row)
        if checkpoint is not None:
            checkpoint.save(epoch + 1)
        display.line(title, row)
        rows.append(row)
    return rows


def _start(checkpoint: Checkpoint | None, log: CSVLog | None, resume: bool) -> int:
    """The number of epochs done before; the log holds these and no others afterwards."""
    if not resume:
        for kept in (checkpoint, log):
            if kept is not None and kept.exists():
                raise FileExistsError(f"fit: {kept.path} exists; resume=True goes on with that run, "
                                      "to start anew remove the file or name another")
        return 0
    if checkpoint is None:
        raise ValueError("fit: resume=True needs a checkpoint")
    epochs = checkpoint.load() if checkpoint.exists() else 0
    if log is not None:
        log.keep(epochs)
    return epochs


def _run_epoch(step: Step, loader: Any, after: Iterable[Callable[[], Any]], epoch: int, title: str,
               display: Progress) -> float:
    """All steps of an epoch, each followed by what comes after it; the mean loss over its images."""
    if hasattr(loader, "epoch"):
        loader.epoch = epoch
    total, images = 0.0, 0
    batches = iter(loader)
    try:
        bar = display.bar(batches, title, _length(loader))
        for i, (x, y) in enumerate(bar):
            loss = _step(step, x, y, f"epoch {epoch + 1}, step {i + 1}")
            for follow in after:
                follow()
            total, images = total + loss * len(y), images + len(y)
            display.loss(bar, total / images)
    finally:
        if hasattr(batches, "close"):
            batches.close()  # now, not when the traceback goes: it may have threads
    if not images:
        raise ValueError("fit: the loader gave no batches")
    return total / images


def _step(step: Step, x: Any, y: Any, where: str) -> float:
    """The loss of a step; FloatingPointError where it is not finite, whether the step says so itself or not."""
    try:
        loss = step(x, y)
    except FloatingPointError as error:
        raise FloatingPointError(f"fit: in {where}: {error}") from error
    if not math.isfinite(loss):
        raise FloatingPointError(f"fit: the loss is {loss} in {where}")
    return loss


def _length(loader: Any) -> int | None:
    return len(loader) if hasattr(loader, "__len__") else None
