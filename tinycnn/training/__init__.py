"""Training: the loop, what it writes down, how it goes on after a stop; recipes, and whole runs of classifiers."""
from .checkpoint import Checkpoint
from .classifier import train_classifier
from .engines import Engine
from .evaluate import Measures, accuracy, measure
from .fit import fit
from .frozen import cached_features, freeze_backbone
from .log import CSVLog, read_log
from .recipe import Recipe
from .steps import eager_step

__all__ = ["CSVLog", "Checkpoint", "Engine", "Measures", "Recipe", "accuracy", "cached_features", "eager_step", "fit",
           "freeze_backbone", "measure", "read_log", "train_classifier"]
