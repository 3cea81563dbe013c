"""GoogLeNet and the Inceptions that followed it."""
from types import MappingProxyType

from .facts import Facts

FACTS = {
    # of parameters, 6_379_984 are those of the auxiliary heads; they take no part in the multiply-adds, which the paper
    # too gives as 1.5 G
    "googlenet": Facts(13_004_888, 1498.4, 1500, "torchvision:googlenet", dropout=True,
                       options=MappingProxyType({"dropout_aux": 0.0, "init_weights": False}),
                       undropped=MappingProxyType({"drop_rate": 0.0, "aux_drop_rate": 0.0})),
}
