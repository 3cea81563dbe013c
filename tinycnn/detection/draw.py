"""Detections drawn into the picture: a frame for each, its class and score on a tag of the class's colour."""
from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..data.images import pillow_module

HUE_STEP = 0.6180339887  # the golden ratio's share of the circle: the hues of neighbouring classes are far apart
LINE = 1 / 250  # width of a frame, as a share of the picture's mean side
TEXT = 1 / 32  # height of the letters, likewise
SMALLEST_TEXT = 10  # pixels: below, letters cannot be read
LIGHT = 0.5  # brightness of a colour above which its text is black


def class_colour(label: int) -> tuple[int, int, int]:
    """The colour of a class, the same in every picture: red, green, blue, 0 to 255.

    >>> class_colour(0), class_colour(1)
    ((242, 36, 36), (36, 96, 242))
    """
    red, green, blue = colorsys.hsv_to_rgb(label * HUE_STEP % 1, 0.85, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_detections(image: np.ndarray, detections: Mapping[str, Any], classes: Sequence[str] | None = None,
                    threshold: float = 0.0) -> np.ndarray:
    """A copy of the picture with boxes, uint8 (H, W, 3).

    image: uint8 (H, W, 3), RGB.  detections: `boxes` (n, 4), x1, y1, x2, y2 in pixels, `labels` (n,), and `scores`
    (n,), as `postprocess` of a detector gives them; truths, which have no scores, can be drawn too.  classes: the names
    by label; the number where it has none.  threshold: detections with a lower score are left out.  The best are drawn
    last, over the others; tags stand above their box, or within where there is no room.

    Raises ValueError for another shape or type, ImportError without the extra `tinycnn[images]`.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"draw_detections: image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    boxes, labels, scores = _columns(detections)
    Image, ImageDraw, ImageFont = (pillow_module(name, "drawing detections")
                                   for name in ("Image", "ImageDraw", "ImageFont"))
    side = (image.shape[0] + image.shape[1]) / 2
    font = ImageFont.load_default(max(SMALLEST_TEXT, round(side * TEXT)))
    picture = Image.fromarray(image)
    canvas = ImageDraw.Draw(picture)
    for i in np.argsort(scores, kind="stable"):
        if scores[i] >= threshold:
            name = classes[labels[i]] if classes is not None and 0 <= labels[i] < len(classes) else str(labels[i])
            text = name if "scores" not in detections else f"{name} {scores[i]:.2f}"
            _draw(canvas, picture.size, boxes[i].tolist(), text, class_colour(int(labels[i])), font,
                  max(1, round(side * LINE)))
    return np.array(picture)


def _draw(canvas: Any, size: tuple[int, int], box: list[float], text: str, colour: tuple[int, int, int], font: Any,
          line: int) -> None:
    """One frame, within the picture, and its tag."""
    (width, height), (x1, y1, x2, y2) = size, box
    left, right = (min(max(x, 0), width - 1) for x in (min(x1, x2), max(x1, x2) - 1))
    top, bottom = (min(max(y, 0), height - 1) for y in (min(y1, y2), max(y1, y2) - 1))
    canvas.rectangle((left, top, max(left, right), max(top, bottom)), outline=colour, width=line)
    wide, high = (extent + 2 * line for extent in canvas.textbbox((0, 0), text, font=font, anchor="lt")[2:])
    tag_left = max(0, min(left, width - wide))
    tag_top = top - high if top >= high else min(top, height - high)
    canvas.rectangle((tag_left, tag_top, tag_left + wide - 1, tag_top + high - 1), fill=colour)
    ink = "black" if np.dot(colour, (0.299, 0.587, 0.114)) > 255 * LIGHT else "white"
    canvas.text((tag_left + line, tag_top + line), text, fill=ink, font=font, anchor="lt")


def _columns(detections: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes, labels = np.asarray(detections["boxes"], np.float64), np.asarray(detections["labels"])
    boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
    n = len(boxes)
    scores = np.asarray(detections.get("scores", np.ones(n)), np.float64)
    if boxes.shape != (n, 4) or labels.shape != (n,) or scores.shape != (n,):
        raise ValueError(f"draw_detections: boxes must be (n, 4), labels and scores (n,); got the shapes "
                         f"{boxes.shape}, {labels.shape}, {scores.shape}")
    if n and labels.dtype.kind not in "iu":
        raise ValueError(f"draw_detections: labels must be integers, got {labels.dtype}")
    if not np.isfinite(boxes).all():
        raise ValueError("draw_detections: boxes must be finite")
    return boxes, labels, scores
