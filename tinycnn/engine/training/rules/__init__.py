"""The rules of training plans: for each operation what goes forward and what goes back."""
from . import losses, picks, pools, views
from .rule import TRAINS, trains

__all__ = ["TRAINS", "losses", "picks", "pools", "trains", "views"]
