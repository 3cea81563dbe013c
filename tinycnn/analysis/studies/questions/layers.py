"""Which layers, in which order: what each does to accuracy and time."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .... import ops as F
from ....nn import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvBNAct,
    Flatten,
    GlobalAvgPool2d,
    GroupNorm,
    Linear,
    MaxPool2d,
    Module,
    ModuleList,
    ReLU,
    Sequential,
)
from ....tensor import Tensor
from .learning import Lesson, lessons_compared
from .trial import Answer, Budget, Say

CLASSES = 10
WIDTHS = (1, 16, 32, 48, 48)  # of the image, and of the four convolutions of a small network
STRIDES = (1, 2, 2, 1)
NORM_GROUPS = 8  # GroupNorm's, for 16 channels and more
BATCHES = (2, 8, 32)
RESIDUAL, GROWING, GROWTH, BLOCKS = 32, 24, 19, 4  # channels with which sums and concatenations cost the same

Block = Callable[[int, int, int], Module]  # channels in, channels out, stride


def small_network(block: Block) -> Module:
    """Four blocks, global pooling, a linear layer: (N, 1, H, W) -> (N, 10)."""
    blocks = [block(a, b, stride) for a, b, stride in zip(WIDTHS, WIDTHS[1:], STRIDES)]
    return Sequential(*blocks, GlobalAvgPool2d(), Flatten(), Linear(WIDTHS[-1], CLASSES))


def conv3x3(a: int, b: int, stride: int = 1) -> Conv2d:
    """A convolution that keeps the size but for its stride."""
    return Conv2d(a, b, 3, stride, padding=1, bias=False)


# ---------------------------------------------------------------- normalisation
def norm_order(budget: Budget, say: Say) -> Answer:
    """Batch normalisation before the activation (Ioffe and Szegedy, 2015, section 3.2) or after it.

    Before it, it is part of the convolution once the network is compiled; after it, it cannot be.
    """
    blocks: dict[str, Block] = {
        "conv, norm, ReLU": lambda a, b, s: Sequential(conv3x3(a, b, s), BatchNorm2d(b), ReLU()),
        "conv, ReLU, norm": lambda a, b, s: Sequential(conv3x3(a, b, s), ReLU(), BatchNorm2d(b))}
    lessons = {name: Lesson(partial(small_network, block)) for name, block in blocks.items()}
    return lessons_compared("norm-order", "Batch normalisation before or after the activation?", lessons, budget, say)


def group_norm(budget: Budget, say: Say) -> Answer:
    """Batch against group normalisation where batches are small; Wu and He, "Group normalization", ECCV 2018.

    The learning rate is in proportion to the batch, so that runs of all batches see as many images and go as far.
    """
    norms: dict[str, Callable[[int], Module]] = {"batch norm": BatchNorm2d,
                                                 "group norm": partial(GroupNorm, NORM_GROUPS)}
    def block(norm: Callable[[int], Module], a: int, b: int, stride: int) -> Module:
        return Sequential(conv3x3(a, b, stride), norm(b), ReLU())
    lessons = {f"{name}, batches of {batch}": Lesson(partial(small_network, partial(block, norm)), batch,
                                                             against=f"batch norm, batches of {batch}")
               for batch in reversed(BATCHES) for name, norm in norms.items()}
    return lessons_compared("group-norm", "Batch or group normalisation for small batches?", lessons, budget, say)


# ---------------------------------------------------------------- smaller maps, joined maps
def downsampling(budget: Budget, say: Say) -> Answer:
    """Maps made smaller by a stride of 2, or by pooling of 2 x 2 after the convolution, which then costs four times.

    The last variant pools before the convolution: as cheap as a stride.
    """
    def pooled(pool: Callable[[int], Module], first: bool, a: int, b: int, stride: int) -> Module:
        layers = [ConvBNAct(a, b), *([pool(2)] if stride == 2 else [])]
        return Sequential(*(layers[::-1] if first else layers))
    blocks: dict[str, Block] = {
        "stride 2": lambda a, b, s: ConvBNAct(a, b, stride=s),
        "then max pooling": partial(pooled, MaxPool2d, False),
        "then average pooling": partial(pooled, AvgPool2d, False),
        "max pooling first": partial(pooled, MaxPool2d, True)}
    lessons = {name: Lesson(partial(small_network, block)) for name, block in blocks.items()}
    return lessons_compared("downsampling", "Pooling, or convolutions with stride 2?", lessons, budget, say)


class Joined(Module):
    """Blocks whose results are added to what they were given, or put beside it; at half the image's size.

    He et al., "Deep residual learning", CVPR 2016; Huang et al., "Densely connected networks", CVPR 2017.
    """

    def __init__(self, add: bool) -> None:
        width, more = (RESIDUAL, 0) if add else (GROWING, GROWTH)
        self.add = add
        self.stem = ConvBNAct(1, width, stride=2)
        self.blocks = ModuleList(ConvBNAct(width + i * more, more or width) for i in range(BLOCKS))
        self.pool, self.fc = Sequential(GlobalAvgPool2d(), Flatten()), Linear(width + BLOCKS * more, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            y = block(x)
            x = x + y if self.add else F.concat([x, y])
        return self.fc(self.pool(x))


def joining(budget: Budget, say: Say) -> Answer:
    """Adding what a block gives to what it was given, or putting it beside it, at nearly equal multiply-adds."""
    lessons = {name: Lesson(partial(Joined, name == "add")) for name in ("add", "concat")}
    return lessons_compared("joining", "Add or concatenate?", lessons, budget, say)
