"""The twins of the kernels in `eager/eager.pyx`."""
from .activation import *
from .arithmetic import *
from .bins import *
from .channel_norm import *
from .depthwise import *
from .gemm import *
from .im2col import *
from .norm import *
from .optim import *
from .plane_norm import *
from .pointwise import *
from .pool import *
from .probe import *
from .random import *
from .recurrent import *
from .reduce import *
from .resize import *
from .roi import *
from .row_norm import *
from .softmax import *
from .structure import *
from .winograd import *

WIDTH = 1  # elements in a vector of this build
