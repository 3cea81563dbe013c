"""The twins of the kernels in `losses/losses.pyx`."""
from .box_losses import *
from .boxes import *
from .classification import *
from .ctc import *
from .elementwise import *
from .gfl import *
from .metric import *

WIDTH = 1  # elements in a vector of this build
