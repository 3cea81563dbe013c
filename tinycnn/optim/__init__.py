"""Optimisers, which move parameters against their gradients, and schedules of their learning rates."""
from .adam import Adam, AdamW, RAdam
from .average import ExponentialMovingAverage
from .clip import ClipNorm, clip_grad_norm_, clip_grad_value_
from .lookahead import Lookahead, Ranger
from .one_cycle import OneCycleLR
from .optimizer import Optimizer
from .rmsprop import RMSprop, RMSpropTF
from .schedule import (
    CosineAnnealingLR,
    CosineSchedule,
    ExponentialLR,
    MultiStepLR,
    PolynomialLR,
    Schedule,
    StepLR,
    Warmup,
)
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "ClipNorm", "CosineAnnealingLR", "CosineSchedule", "ExponentialLR",
           "ExponentialMovingAverage", "Lookahead", "MultiStepLR", "OneCycleLR", "Optimizer", "PolynomialLR", "RAdam",
           "RMSprop", "RMSpropTF", "Ranger", "Schedule", "StepLR", "Warmup", "clip_grad_norm_", "clip_grad_value_"]
