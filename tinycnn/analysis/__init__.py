"""Measurement: what networks cost, what this machine can do, and what they take on it."""
from .cost import Cost, CostError, cost_of
from .summaries import Summary, summary

__all__ = ["Cost", "CostError", "Summary", "cost_of", "summary"]
