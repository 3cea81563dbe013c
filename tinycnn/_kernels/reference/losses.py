"""The twins of the kernels in `losses/losses.pyx`."""
from .assignment import *
from .box_losses import *
from .boxes import *
from .classification import *
from .ctc import *
from .elementwise import *
from .gfl import *
from .metric import *
from .suppression import *

WIDTH = 1  # elements in a vector of this build
