"""The rules of training plans: for each operation what goes forward and what goes back."""
from . import (
    activations,
    elements,
    group_norms,
    l2_norms,
    losses,
    norms,
    picks,
    pools,
    products,
    resize,
    transposed,
    views,
)
from .rule import TRAINS, trains

__all__ = ["TRAINS", "activations", "elements", "group_norms", "l2_norms", "losses", "norms", "picks", "pools",
           "products", "resize", "trains", "transposed", "views"]
