"""Training: the loop, what it writes down, how it goes on after a stop; recipes; classifiers, detectors."""
from .checkpoint import Checkpoint
from .classifier import train_classifier
from .detection_loader import DetectionLoader
from .detection_recipe import MULTI_SCALE, DetectionRecipe
from .detector import train_detector
from .detector_tester import measure_detector
from .engines import Engine
from .evaluate import Measures, accuracy, measure
from .fit import fit
from .frozen import cached_features, freeze_backbone
from .log import CSVLog, read_log
from .recipe import Recipe
from .steps import eager_step

__all__ = ["MULTI_SCALE", "CSVLog", "Checkpoint", "DetectionLoader", "DetectionRecipe", "Engine", "Measures",
           "Recipe", "accuracy", "cached_features", "eager_step", "fit", "freeze_backbone", "measure",
           "measure_detector", "read_log", "train_classifier", "train_detector"]
