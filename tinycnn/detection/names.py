"""What a detector's classes are called, where its weights do not say it."""
from __future__ import annotations

COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush")
UNUSED = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})  # numbers up to 90 that no category of COCO has
COCO_IDS = tuple(number for number in range(1, 91) if number not in UNUSED)


def class_names(num_classes: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names by label, and the numbers that COCO's files have for them.

    80 classes are COCO's (cocodataset.org), and so are 90, which are those by their numbers, from 1, with gaps; any
    other number of classes goes by numbers.

    >>> class_names(80)[0][2], class_names(80)[1][-1], class_names(90)[0][89], class_names(2)
    ('car', 90, 'toothbrush', (('0', '1'), (1, 2)))
    """
    numbers = tuple(range(1, num_classes + 1))
    if num_classes == len(COCO_CLASSES):
        return COCO_CLASSES, COCO_IDS
    if num_classes == COCO_IDS[-1]:
        known = dict(zip(COCO_IDS, COCO_CLASSES))
        return tuple(known.get(number, f"unused {number}") for number in numbers), numbers
    return tuple(str(number - 1) for number in numbers), numbers
