"""The NumPy twin of every kernel: same name, same signature, written as the definition reads.

The twins say what the kernels mean and are what the kernels are tested against; nothing runs them otherwise.  A family
of kernels in `eager/<family>.pxi` has its twins in `reference/<family>.py`.
"""
from .activation import *
from .depthwise import *
from .gemm import *
from .im2col import *
from .loss import *
from .norm import *
from .optim import *
from .pointwise import *
from .pool import *
from .probe import *
from .random import *
from .structure import *
from .winograd import *

WIDTH = 1  # elements in a vector of this build
