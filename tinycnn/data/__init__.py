"""Data for training: sets that can be installed, the order they are read in, and what is done to a batch."""
from . import transforms
from .datasets import FASHION_MNIST_CLASSES, FashionMNIST, data_home
from .idx import read_idx
from .loader import Loader

__all__ = ["FASHION_MNIST_CLASSES", "FashionMNIST", "Loader", "data_home", "read_idx", "transforms"]
