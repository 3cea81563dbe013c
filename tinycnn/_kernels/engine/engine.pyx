# cython: language_level=3, wraparound=False, cdivision=True
"""The executor of plans, for one element type and one instruction set: setup.py compiles this file once for each.

A plan is a flat array of operations (`op.pxi`) over one arena in blocked layout.  All of them run inside one parallel
region: every thread walks through the whole list, takes its share of each operation (of long ones in parts, and then what
slower threads have not begun), and waits for the others before the next.  Nothing is allocated, no Python is touched.  `tinycnn.engine.plan` writes plans and checks every address in them.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cython.parallel cimport parallel, threadid
from libc.math cimport INFINITY, NAN, ceil, floor, log, round, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from tinycnn._kernels.parallel cimport alone

include "../common.pxi"
include "../row_sums.pxi"

cdef extern from "team.h" nogil:
    ctypedef struct Team:
        int *cpus
        int *taken
    void team_spread(Team *team, int t, int threads)
    void team_wait(Team *team, int t, int threads)
    int team_take(Team *team, int owner)
    int team_size()
    enum: A_LINE
    double seconds()

cdef extern from "simd.h" nogil:
    enum: ROWS1
    enum: ROWS2
    enum: ROWS3
    enum: TILE_SUMS
    enum: WEIGHT_ROWS
    void prefetch_far(const void *p)

include "op.pxi"
include "product.pxi"
include "depthwise.pxi"
include "move.pxi"
include "maps.pxi"
include "resize.pxi"
include "norm.pxi"
include "pixel_norm.pxi"
include "unary.pxi"
include "../roi_axis.pxi"
include "roi.pxi"
include "winograd.pxi"
include "strip.pxi"
include "rows.pxi"
include "matmul.pxi"
include "../philox.pxi"
include "train/lazy.pxi"
include "train/pool.pxi"
include "train/loss.pxi"
include "train/batch_norm.pxi"
include "train/group_norm.pxi"
include "train/l2_norm.pxi"
include "train/elements.pxi"
include "train/pick.pxi"
include "train/dropout.pxi"
include "train/depthwise.pxi"
include "train/depthwise_back.pxi"
include "train/weights.pxi"
include "train/layer.pxi"
include "train/weight_gradient.pxi"
include "train/layer_back.pxi"
include "train/dense.pxi"
include "train/winograd_tiles.pxi"
include "train/winograd_layer.pxi"
include "train/winograd_gradient.pxi"
include "../losses/elementwise.pxi"
include "../losses/regression.pxi"
include "../losses/binary.pxi"
include "../losses/elementwise_table.pxi"
include "train/pairs.pxi"
include "run.pxi"
