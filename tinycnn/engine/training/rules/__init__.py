"""The rules of training plans: for each operation what goes forward and what goes back."""
from . import losses, pools, products
from .rule import TRAINS, trains

__all__ = ["TRAINS", "losses", "pools", "products", "trains"]
