# cython: language_level=3, wraparound=False, cdivision=True
"""The kernels of losses, and of what detectors do with boxes, for one element type and one instruction set.

setup.py compiles this file once for each.  The contract is that of `eager.pyx`: arguments are marked IN or OUT with
their axes, the caller allocates, a kernel checks every extent (and every index) before it takes a pointer, then runs
without the GIL, without allocating and without raising.  Each has a twin of the same name and signature in
`tinycnn._kernels.reference.losses`.
"""
from cython.parallel cimport prange
from libc.math cimport INFINITY, NAN, exp, log, pow, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memset

from tinycnn._kernels.parallel cimport team

include "../common.pxi"
include "../row_sums.pxi"
include "elementwise.pxi"
include "regression.pxi"
include "binary.pxi"
include "elementwise_table.pxi"
include "elementwise_calls.pxi"
include "classification.pxi"
include "choice.pxi"
include "metric.pxi"
include "boxes.pxi"
include "box_losses.pxi"
include "suppression.pxi"
include "assignment.pxi"
include "ctc.pxi"
include "gfl.pxi"
