"""Data: photos, sets to train on that can be installed, the order they are read in, what is done to a batch."""
from ..download import home as data_home
from . import detection, detection_tasks, tasks, transforms, views
from .datasets import FASHION_MNIST_CLASSES, FashionMNIST
from .faults import BadDataError, Fault
from .folder import ImageFolder, Photos, split
from .idx import read_idx
from .imagenet import class_names
from .images import ImageError, load_image, prepare
from .loader import Loader
from .mixup import Mixed, mixed_loss, mixed_one_hot, mixup
from .scenes import Scenes

__all__ = ["FASHION_MNIST_CLASSES", "BadDataError", "FashionMNIST", "Fault", "ImageError", "ImageFolder", "Loader",
           "Mixed", "Photos", "Scenes", "class_names", "data_home", "detection", "detection_tasks", "load_image",
           "mixed_loss", "mixed_one_hot", "mixup", "prepare", "read_idx", "split", "tasks", "transforms", "views"]
