"""What each registered network is held to, a file for each group of families."""
from .classic import FACTS as CLASSIC
from .facts import Facts
from .first import FACTS as FIRST

FACTS: dict[str, Facts] = {**FIRST, **CLASSIC}
