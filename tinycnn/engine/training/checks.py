"""The checks of those kinds of operations that training plans alone have, entered where all are looked up."""
from ..check import CHECKS
from .checks_losses import LOSSES
from .checks_pools import POOLS

CHECKS.update(POOLS | LOSSES)
