"""The rules of training plans: for each operation what goes forward and what goes back."""
from . import activations, elements, losses, norms, picks, pools, products, resize, views
from .rule import TRAINS, trains

__all__ = ["TRAINS", "activations", "elements", "losses", "norms", "picks", "pools", "products", "resize", "trains",
           "views"]
