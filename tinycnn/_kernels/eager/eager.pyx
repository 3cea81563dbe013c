# cython: language_level=3, wraparound=False, cdivision=True
"""All eager kernels of tensor operations (NCHW), for one element type and one instruction set: setup.py compiles this file once for each.

Arguments are marked IN or OUT with their axes.  The caller allocates; a kernel checks every extent before it takes a
pointer, then runs without the GIL, without allocating and without raising.  Each has a twin of the same name and
signature in `tinycnn._kernels.reference.eager`.
"""
from cython.parallel cimport prange
from libc.math cimport INFINITY, NAN, log, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from tinycnn._kernels.parallel cimport team

include "../common.pxi"
include "activation.pxi"
include "arithmetic.pxi"
include "gemm.pxi"
include "pointwise.pxi"
include "im2col.pxi"
include "probe.pxi"
include "rows.pxi"
include "depthwise.pxi"
include "channels.pxi"
include "depthwise_calls.pxi"
include "winograd.pxi"
include "pool.pxi"
include "bins.pxi"
include "roi.pxi"
include "../roi_axis.pxi"
include "roi_align.pxi"
include "resize.pxi"
include "norm.pxi"
include "prelu.pxi"
include "row_norm.pxi"
include "plane_norm.pxi"
include "channel_norm.pxi"
include "structure.pxi"
include "../row_sums.pxi"
include "softmax.pxi"
include "softmax_channels.pxi"
include "reduce.pxi"
include "../philox.pxi"
include "random.pxi"
include "recurrent.pxi"
include "lstm.pxi"
include "gru.pxi"
include "optim.pxi"
