"""Networks: one file per paper, registered by name."""
from .backbone import Backbone, Stage
from .efficientnet_lite import efficientnet_lite0
from .mobilenetv2 import mobilenet_v2
from .registry import create_model, list_models, register_model
from .shufflenetv2 import (
    shufflenet_v2,
    shufflenet_v2_x0_5,
    shufflenet_v2_x1_0,
    shufflenet_v2_x1_5,
    shufflenet_v2_x2_0,
)
from .weights import WEIGHTS, Preprocessing, Weights, WeightsNotFound, load_weights, preprocessing

__all__ = [
    "WEIGHTS", "Backbone", "Preprocessing", "Stage", "Weights", "WeightsNotFound", "create_model",
    "efficientnet_lite0", "list_models", "load_weights", "mobilenet_v2", "preprocessing", "register_model",
    "shufflenet_v2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
]
