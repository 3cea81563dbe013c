"""Which of several boxes that show the same thing stays, run by run."""
import itertools

import numpy as np

from .boxes import _centre_term, _iou


def greedy_nms(boxes, starts, distance, threshold, most, kept, keep):
    # IN (n, 4)  IN (runs + 1,)  IN  IN  IN  (4, n): unused  OUT (n,)
    """A box stays unless it agrees by more than the threshold with a better one of its run that stayed."""
    keep[:] = 0
    for first, end in itertools.pairwise(starts):
        stayed: list[int] = []
        for i in range(first, end):
            others = boxes[stayed]
            agreement = _iou(boxes[i], others) - (_centre_term(boxes[i], others, 1e-7) if distance else 0)
            if len(stayed) < most and not (agreement > threshold).any():
                stayed.append(i)
        keep[stayed] = 1


def soft_nms(planes, starts, gaussian, threshold, sigma, least, live, scores):
    # IN (4, n)  IN (runs + 1,)  IN  IN  IN  IN  IN (n,)  OUT (n,)
    """The best of a run is taken and the scores of the others fall by their IoU with it, until all are low."""
    boxes = planes.T
    scores[:] = 0
    for first, end in itertools.pairwise(starts):
        left = [i for i in range(first, end) if live[i] > least]
        while left:
            taken = left.pop(int(live[left].argmax()))
            scores[taken] = live[taken]
            iou = _iou(boxes[taken], boxes[left])
            live[left] *= np.exp(-iou**2 / sigma) if gaussian else np.where(iou >= threshold, 1 - iou, 1)
            left = [i for i in left if live[i] > least]
