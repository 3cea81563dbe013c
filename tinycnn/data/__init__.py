"""Data: photos, sets to train on that can be installed, the order they are read in, what is done to a batch."""
from . import transforms
from .datasets import FASHION_MNIST_CLASSES, FashionMNIST, data_home
from .idx import read_idx
from .imagenet import class_names
from .images import ImageError, load_image, prepare
from .loader import Loader

__all__ = ["FASHION_MNIST_CLASSES", "FashionMNIST", "ImageError", "Loader", "class_names", "data_home", "load_image",
           "prepare", "read_idx", "transforms"]
