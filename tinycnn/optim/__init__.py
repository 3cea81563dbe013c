"""Optimisers, which move parameters against their gradients, and schedules of their learning rates."""
from .optimizer import Optimizer
from .schedule import CosineSchedule, Schedule, StepLR
from .sgd import SGD

__all__ = ["SGD", "CosineSchedule", "Optimizer", "Schedule", "StepLR"]
