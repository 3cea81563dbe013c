"""Measurement: what networks cost, what this machine can do, and what they take on it."""
from .comparing import Known, document, fps_bound, latency, measured, objective, ranking
from .cost import Cost, CostError, cost_of
from .machine import Peaks, description, peaks
from .profiling import Layer, Profile, profile
from .summaries import Summary, summary

__all__ = ["Cost", "CostError", "Known", "Layer", "Peaks", "Profile", "Summary", "cost_of", "description", "document",
           "fps_bound", "latency", "measured", "objective", "peaks", "profile", "ranking", "summary"]
