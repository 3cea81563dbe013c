"""The twins of the kernels in `eager/eager.pyx`."""
from .activation import *
from .arithmetic import *
from .depthwise import *
from .gemm import *
from .im2col import *
from .norm import *
from .optim import *
from .pointwise import *
from .pool import *
from .probe import *
from .random import *
from .reduce import *
from .softmax import *
from .structure import *
from .winograd import *

WIDTH = 1  # elements in a vector of this build
