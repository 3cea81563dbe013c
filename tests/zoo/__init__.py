"""What each registered network is held to, a file for each group of families."""
from .facts import Facts
from .first import FACTS as FIRST
from .inception import FACTS as INCEPTION

FACTS: dict[str, Facts] = {**FIRST, **INCEPTION}
