"""Light networks that search, scaling and cheap features made: GhostNet."""
from types import MappingProxyType

from .facts import LATER, Facts

GHOST = {"options": MappingProxyType({"drop_rate": 0.0})}  # timm's has dropout by itself
FACTS = {
    "ghostnet_050": Facts(2_587_292, 42.3, 42, "timm:ghostnet_050", **GHOST),
    "ghostnet_100": Facts(5_182_508, 141.2, 141, "timm:ghostnet_100", **GHOST, **LATER),
    "ghostnet_130": Facts(7_358_820, 227.0, 226, "timm:ghostnet_130", **GHOST, **LATER),
}
