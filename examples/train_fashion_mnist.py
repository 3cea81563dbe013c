"""Train a light network on Fashion-MNIST: 60,000 small photographs of clothes, ten classes.

    python examples/train_fashion_mnist.py             minutes on two cores; the bar needs the extra tinycnn[train]
    python examples/train_fashion_mnist.py --resume    go on after it was stopped, with the same result to the bit

The network is a small one of depthwise separable convolutions, the block of MobileNet (Howard et al., "MobileNets",
arXiv:1704.04861, 2017, figure 3), for images of 28x28: 159,178 parameters, 5.4 million multiply-adds an image.  It
keeps the first map at full size and ends at 4x4, where networks made for 224x224 would end below one pixel.

Into --out go log.csv, a row per epoch; checkpoint.npz, from which --resume goes on; weights.npz, the trained weights;
and result-DATE.json, what was reached in which time by which versions.  The accuracy in the log is that on the 10,000
test images, which nothing is chosen by: the last epoch's is the result.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import data, losses, nn, optim, training
from tinycnn.training import results

STEM = 32  # channels of the first convolution
BLOCKS = (  # output channels and stride of each depthwise separable block; maps of 14x14, 7x7 and 4x4
    (64, 2), (64, 1),
    (128, 2), (128, 1), (128, 1),
    (256, 2), (256, 1),
)
MEAN, STD = 0.2860, 0.3530  # of the training images' pixels
MOMENTUM, WEIGHT_DECAY = 0.9, 2e-4
WARM_UP = 0.1  # share of all steps in which the learning rate rises
TEST_BATCH = 500
SIZE = (28, 28)  # of an image


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="directory of the four .gz files (default: where the Debian package "
                                       "dataset-fashion-mnist installs them, or TINYCNN_HOME)")
    parser.add_argument("--download", action="store_true", help="fetch the files from their authors if there are none")
    parser.add_argument("--out", type=Path, default=Path("runs/fashion_mnist"),
                        help="directory of the run (%(default)s)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--overwrite", action="store_true", help="start anew where --out holds a run")
    parser.add_argument("--epochs", type=positive, default=6, help="passes over the images (%(default)s)")
    parser.add_argument("--batch-size", type=positive, default=128, help="images per step (%(default)s)")
    parser.add_argument("--lr", type=float, default=0.1, help="highest learning rate (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all randomness (%(default)s)")
    parser.add_argument("--threads", type=positive, help="threads (default: one for each usable CPU)")
    parser.add_argument("--eager", action="store_true", help="steps by the tape instead of a plan: slower")
    parser.add_argument("--limit", type=positive, help="take only the first LIMIT images of each split: a quick trial")
    return parser.parse_args(arguments)


def build_network() -> nn.Sequential:
    layers, channels = [nn.ConvBNAct(1, STEM, 3)], STEM
    for out, stride in BLOCKS:
        layers += [nn.DepthwiseBNAct(channels, 3, stride), nn.ConvBNAct(channels, out, 1)]
        channels = out
    classifier = nn.Linear(channels, len(data.FASHION_MNIST_CLASSES))
    return nn.Sequential(*layers, nn.GlobalAvgPool2d(), nn.Flatten(), classifier)


def prepare(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A batch of the test: bytes (N, 28, 28) -> float32 (N, 1, 28, 28)."""
    return data.transforms.normalize(images, MEAN, STD)


def augment(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A batch of the training: half of the images mirrored."""
    return prepare(data.transforms.random_flip(images, rng), rng)


def make_loaders(options: argparse.Namespace) -> tuple[data.Loader, data.Loader]:
    train, test = (data.FashionMNIST(options.data, split, options.download) for split in ("train", "test"))
    some = slice(options.limit)
    return (data.Loader(train.images[some], train.labels[some], options.batch_size, shuffle=True, seed=options.seed,
                        transform=augment),
            data.Loader(test.images[some], test.labels[some], TEST_BATCH, transform=prepare))


def train(options: argparse.Namespace) -> tuple[nn.Module, list[training.log.Row]]:
    """The trained network and the rows of its log."""
    tinycnn.manual_seed(options.seed)
    train_loader, test_loader = make_loaders(options)
    network = build_network()
    optimizer = optim.SGD(network.parameters(), options.lr, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True)
    steps = options.epochs * len(train_loader)
    schedule = optim.CosineSchedule(optimizer, steps, warmup_steps=int(WARM_UP * steps))
    settings = {name: getattr(options, name) for name in ("epochs", "batch_size", "lr", "seed", "limit")}
    checkpoint = training.Checkpoint(options.out / "checkpoint.npz", settings, model=network, optimizer=optimizer,
                                     schedule=schedule)
    log = training.CSVLog(options.out / "log.csv")
    if options.overwrite and not options.resume:
        for old in (checkpoint.path, log.path):
            old.unlink(missing_ok=True)
    loss = losses.CrossEntropyLoss()
    if options.eager:
        step = training.eager_step(network, loss, optimizer)
    else:
        step = tinycnn.compile_training_step(network, loss, optimizer, ((options.batch_size, 1, *SIZE),
                                                                        (options.batch_size,)))
    training.fit(step, train_loader, options.epochs,
                 evaluate=lambda: {"accuracy": training.accuracy(network, test_loader)},
                 schedule=schedule, log=log, checkpoint=checkpoint, resume=options.resume)
    return network, training.read_log(log.path)


def summarize(options: argparse.Namespace, network: nn.Module, rows: list[training.log.Row]) -> dict:
    """What the run came to; seconds: of all epochs, the tests after each included."""
    return {
        **results.circumstances(), "steps": "eager" if options.eager else "planned",
        "parameters": sum(p.size for p in network.parameters()),
        "epochs": options.epochs, "limit": options.limit,
        "accuracy": rows[-1]["accuracy"], "seconds": round(sum(float(row["seconds"]) for row in rows), 1),
    }


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    try:
        if options.threads is not None:
            tinycnn.set_num_threads(options.threads)
        network, rows = train(options)
    except (OSError, ValueError, ImportError, FloatingPointError) as error:
        hint = "; --resume or --overwrite" if isinstance(error, FileExistsError) else ""
        print(f"error: {error}{hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; --resume goes on after the last finished epoch", file=sys.stderr)
        return 130  # as shells report an interrupt
    result = summarize(options, network, rows)
    tinycnn.save(network.state_dict(), options.out / "weights.npz")
    results.write_json(options.out / f"result-{result['date']}.json", result)
    print(f"test accuracy {100 * result['accuracy']:.2f} % after {result['epochs']} epochs "
          f"in {result['seconds']:.0f} s on {result['threads']} threads; see {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
