"""What each registered network is held to, a file for each group of families."""
from .classic import FACTS as CLASSIC
from .facts import Facts
from .first import FACTS as FIRST
from .inception import FACTS as INCEPTION
from .light import FACTS as LIGHT

FACTS: dict[str, Facts] = {**FIRST, **LIGHT, **CLASSIC, **INCEPTION}
