"""The loss of sequences whose labels are not aligned with their frames."""
from __future__ import annotations

import numpy as np

from ..._kernels import kernels
from ...autograd import Function
from ..contracts import require_elements
from .reduction import require_reduction


class CTCLoss(Function, op="ctc_loss"):
    """-log of the probability of the targets, over all alignments."""

    inputs = ("log_probs", "targets", "input_lengths", "target_lengths")
    attributes = ("blank", "reduction", "zero_infinity")
    indices = ("targets", "input_lengths", "target_lengths")
    blank: int
    reduction: str
    zero_infinity: bool

    def shapes(self, log_probs, targets, input_lengths, target_lengths):
        """() where the losses are reduced, else (N,)."""
        if len(log_probs) != 3:
            raise ValueError(f"ctc_loss: log_probs must be (T, N, C), got the shape {log_probs}")
        require_elements("ctc_loss", "log_probs", log_probs)
        n = log_probs[1]
        if len(targets) != 1 and (len(targets) != 2 or targets[0] != n):
            raise ValueError(f"ctc_loss: targets has shape {targets}, expected ({n}, S), or (all lengths together,)")
        for name, shape in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
            if shape != (n,):
                raise ValueError(f"ctc_loss: {name} has shape {shape}, expected ({n},) for log_probs {log_probs}")
        if not 0 <= self.blank < log_probs[2]:
            raise ValueError(f"ctc_loss: blank is {self.blank}, expected 0 <= blank < {log_probs[2]} (classes)")
        return (n,) if self.reduction == "none" else ()

    def forward(self, log_probs, targets, input_lengths, target_lengths):
        frames, n, classes = log_probs.shape
        lengths = _lengths("input_lengths", input_lengths, frames)
        label_lengths = _lengths("target_lengths", target_lengths, targets.shape[-1])
        labels = _labels(targets, label_lengths, classes, self.blank)
        alpha = np.empty((n, frames, 2 * labels.shape[1] + 3), log_probs.dtype)
        skip, losses = np.empty((n, alpha.shape[2]), alpha.dtype), np.empty(n, alpha.dtype)
        kernels(alpha.dtype, "losses").ctc_loss_forward(log_probs, labels, lengths, label_lengths, self.blank, alpha,
                                                        skip, losses)
        share = self._share(label_lengths, losses)
        self.save(log_probs=log_probs, labels=labels, lengths=lengths, label_lengths=label_lengths, alpha=alpha,
                  skip=skip, losses=losses, share=share)
        counted = np.where(np.isinf(losses), 0, losses) if self.zero_infinity else losses
        return counted if self.reduction == "none" else (counted * share).sum()

    def _share(self, label_lengths, losses):
        """What each loss counts in the result."""
        if self.reduction == "mean":
            return 1 / (len(losses) * np.maximum(label_lengths, 1)).astype(losses.dtype)
        return np.ones_like(losses)

    def backward(self, gy):
        s = self.saved
        each = gy * s.share
        if self.zero_infinity:
            each[np.isinf(s.losses)] = 0
        gx, work = np.empty_like(s.log_probs), np.empty((len(s.skip), 2, s.skip.shape[1]), s.skip.dtype)
        kernels(gx.dtype, "losses").ctc_loss_backward(s.log_probs, s.labels, s.lengths, s.label_lengths, self.blank,
                                                      s.alpha, s.skip, s.losses, each, work, gx)
        return gx, None, None, None


def _lengths(name: str, lengths: np.ndarray, most: int) -> np.ndarray:
    """Lengths as int64, each within [0, most]."""
    if lengths.dtype.kind not in "iu":
        raise TypeError(f"ctc_loss: {name} must be integers, got {lengths.dtype}")
    wrong = (lengths < 0) | (lengths > most)
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(f"ctc_loss: {name}[{at}] is {lengths[at]}, expected 0 <= length <= {most}")
    return np.ascontiguousarray(lengths, np.int64)


def _labels(targets: np.ndarray, lengths: np.ndarray, classes: int, blank: int) -> np.ndarray:
    """Targets as padded rows (N, S), S at least 1, each label seen to be a class other than the blank."""
    if targets.dtype.kind not in "iu":
        raise TypeError(f"ctc_loss: targets must be integers, the numbers of classes, got {targets.dtype}")
    most = max(1, int(lengths.max()))
    there = np.arange(most) < lengths[:, None]
    if targets.ndim == 1:
        if len(targets) != lengths.sum():
            raise ValueError(f"ctc_loss: targets holds {len(targets)} labels, but target_lengths sum to "
                             f"{lengths.sum()}")
        given = targets
    else:
        given = targets[:, :most][there[:, :targets.shape[1]]]
    wrong = (given < 0) | (given >= classes) | (given == blank)
    if wrong.any():
        at = tuple(int(k) for k in np.argwhere(there)[wrong.argmax()])
        raise ValueError(f"ctc_loss: label {at[1]} of target {at[0]} is {given[wrong.argmax()]}, expected "
                         f"0 <= label < {classes} (classes) and not {blank}, the blank")
    labels = np.zeros(there.shape, np.int64)
    labels[there] = given
    return labels


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank: int = 0, reduction: str = "mean",
             zero_infinity: bool = False):
    """-log p(targets | log_probs), summed over all alignments of labels with frames: reduced, or each (N,).

    log_probs (T, N, C): logarithms of probabilities, as `log_softmax(x, 2)` gives them.  targets: integers, (N, S)
    padded with anything, or all concatenated (sum of lengths,); repeated labels and empty targets are allowed.
    input_lengths, target_lengths (N,): frames and labels that count.  blank: the class between labels.  reduction:
    "mean" divides each loss by its target's length (at least 1), then takes the mean; "sum"; "none".

    A target that its frames cannot hold has the loss infinity and the gradient NaN; zero_infinity: 0 and 0.  The
    gradient is the derivative with respect to log_probs: after `log_softmax` it is torch's.  Raises ValueError naming a
    wrong shape, length or label, TypeError for labels or lengths that are not integers.
    Graves et al., "Connectionist temporal classification", ICML 2006, section 4.

    >>> even = np.log(np.full((2, 1, 2), 0.5))                           # "a" is aa, a-, -a: 3 of 4 paths
    >>> round(ctc_loss(even, np.array([[1]]), (2,), (1,)).item(), 4)    # -log 3/4
    0.2877
    """
    require_reduction("ctc_loss", reduction)
    return CTCLoss.apply(log_probs, targets, input_lengths, target_lengths, blank=int(blank), reduction=reduction,
                         zero_infinity=bool(zero_infinity))
