"""Experiments: what the literature says of light networks, measured on this machine."""
from .experiment import Experiment, Variant
from .factorised import factorise
from .guidelines import g1, g2, g3, g4
from .measuring import measure, verdict
from .tables import study_table

STUDIES = {"g1": g1, "g2": g2, "g3": g3, "g4": g4, "factorise": factorise}

__all__ = ["STUDIES", "Experiment", "Variant", "factorise", "g1", "g2", "g3", "g4", "measure", "study_table", "verdict"]
