"""The rules of training plans: for each operation what goes forward and what goes back."""
from .. import checks_elements  # enters what it checks
from . import activations, elements, losses, norms, picks, pools, products
from .rule import TRAINS, trains

__all__ = ["TRAINS", "activations", "checks_elements", "elements", "losses", "norms", "picks", "pools", "products", "trains"]
