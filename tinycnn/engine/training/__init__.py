"""Training steps as plans: forward, backward and update over one arena, in blocked layout."""
from .step import TrainingStep, compile_training_step

__all__ = ["TrainingStep", "compile_training_step"]
