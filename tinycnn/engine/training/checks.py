"""The checks of those kinds of operations that training plans alone have, entered where all are looked up."""
from ..check import CHECKS, trained_product
from .checks_elements import ELEMENTS
from .checks_losses import LOSSES
from .checks_norms import NORMS
from .checks_pools import POOLS
from .checks_products import PRODUCTS
from .checks_winograd import WINOGRAD

CHECKS.update({"trained_product": trained_product, **ELEMENTS, **LOSSES, **NORMS, **POOLS, **PRODUCTS, **WINOGRAD})
