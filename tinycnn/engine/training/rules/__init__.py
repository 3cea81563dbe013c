"""The rules of training plans: for each operation what goes forward and what goes back."""
from . import products
from .rule import TRAINS, trains

__all__ = ["TRAINS", "products", "trains"]
