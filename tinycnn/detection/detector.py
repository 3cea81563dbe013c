"""Detector: what all of them promise, so that one training loop, one command and one metric serve them all."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..autograd import no_grad
from ..nn import Module
from ..ops.geometry import pair
from ..tensor import Tensor
from .inputs import Inputs
from .postprocess import Detections


class Detector(Module):
    """A network that finds objects: images in, raw heads of fixed shape out, and what makes sense of these.

    num_classes: of objects; background is none of them.  size: (height, width) of the images that the network sees, a
    number for squares, each a multiple of `divisor`.  inputs: how images become such; None: the detector's own.
    score_threshold, iou_threshold, max_detections: what `postprocess` shows, may be written to at any time.

    A detector's class gives four methods:

        forward(x)             x (N, 3, height, width) -> raw, a tree of Tensors; its shapes depend on x's alone
        encode(boxes, labels)  truths of N images, sequences of (M_i, 4), xyxy in pixels of the canvas, and of (M_i,)
                               -> dense, a tuple of arrays of fixed shape, N rows each; made outside the tape.
                               With takes_weights also a third argument, what each truth counts, (M_i,) of each image
        criterion(raw, dense)  -> a dict of losses, whose sum is minimised
        decode(raw)            raw, as arrays -> `Detections` of each image, on the canvas

    and has `postprocess(raw, sizes)` and `detect(images)` from here.  `tinycnn.compile(detector, shape)` plans
    `forward`; `tinycnn.compile_training_step(detector, detector.criterion, optimizer, (x, dense))` a step of training.
    """

    divisor: ClassVar[int] = 32
    default_inputs: ClassVar[Inputs] = Inputs()
    takes_weights: ClassVar[bool] = False  # whether `encode` takes weights

    def __init__(self, num_classes: int, size: int | tuple[int, int], inputs: Inputs | None = None,
                 score_threshold: float = 0.05, iou_threshold: float = 0.5, max_detections: int = 100) -> None:
        name = type(self).__name__
        if not (isinstance(num_classes, int) and num_classes > 0):
            raise ValueError(f"{name}: num_classes must be an integer >= 1, got {num_classes!r}")
        self.num_classes, self.size = num_classes, pair(size, "size", name)
        if any(side % self.divisor for side in self.size):
            raise ValueError(f"{name}: size must be multiples of {self.divisor}, got {size!r}")
        self.inputs = self.default_inputs if inputs is None else inputs
        self.score_threshold, self.iou_threshold = score_threshold, iou_threshold
        self.max_detections = max_detections

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """Dense targets from the truths of N images."""
        raise NotImplementedError

    def criterion(self, raw: Any, dense: Any) -> dict[str, Any]:
        """The losses of raw heads, given dense targets."""
        raise NotImplementedError

    def decode(self, raw: Any) -> list[Detections]:
        """What raw heads, arrays, say of each image: in pixels of the canvas."""
        raise NotImplementedError

    def postprocess(self, raw: Any, sizes: Sequence[tuple[int, int]] | None = None) -> list[Detections]:
        """What raw heads, Tensors or arrays, say of each image: boxes xyxy in its own pixels, scores, labels from 0.

        sizes: (height, width) of the images as they were before `inputs`; None: boxes are in pixels of the canvas.
        Raises ValueError where there are not as many sizes as images.
        """
        found = self.decode(arrays(raw))
        if sizes is None:
            return found
        if len(sizes) != len(found):
            raise ValueError(f"postprocess: raw heads of {len(found)} images, but {len(sizes)} sizes")
        places = [self.inputs.placement(size, self.size) for size in sizes]
        return [one._replace(boxes=place.back(one.boxes)) for one, place in zip(found, places)]

    def detect(self, images: Sequence[Any], run: Callable[[np.ndarray], Any] | None = None) -> list[Detections]:
        """What is in images, uint8 (H, W, 3), each of any size.

        run: what computes the raw heads, a compiled form of this network; None: the network itself, in evaluation mode
        (RuntimeError if it is in training mode).
        """
        if run is None and self.training:
            raise RuntimeError(f"{type(self).__name__}.detect: the network is in training mode, call eval() first")
        x = self.inputs(images, self.size)
        with no_grad():
            raw = (run or self)(x)
        return self.postprocess(raw, [np.shape(image)[:2] for image in images])


def arrays(tree: Any) -> Any:
    """The same tree with arrays in place of Tensors."""
    if isinstance(tree, dict):
        return {key: arrays(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(*map(arrays, tree)) if hasattr(tree, "_fields") else type(tree)(map(arrays, tree))
    return tree.numpy() if isinstance(tree, Tensor) else np.asarray(tree)
