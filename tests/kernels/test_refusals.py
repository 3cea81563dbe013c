"""Kernels of normalisation, PReLU, row dropout and recurrence refuse arrays that do not fit, each by each axis."""
import numpy as np
import pytest

from tinycnn._kernels import available, kernels, use

N, G, K, P = 2, 2, 3, 5
C, T, H = G * K, 3, 4
ROWS, MAPS, CHANNELS = (N, G, K, P), (N, C, P), (C,)
KERNELS = {  # name: shapes of the arrays, the arguments after them (a number of elements: scratch memory)
    "prelu_forward": ([MAPS, CHANNELS, MAPS], []),
    "prelu_backward": ([MAPS, MAPS, CHANNELS, MAPS, CHANNELS, (N * C,)], []),
    "row_norm_forward": ([ROWS, CHANNELS, CHANNELS, ROWS, (N * G,), (N * G,)], [1e-5]),
    "row_norm_backward": ([ROWS, ROWS, CHANNELS, (N * G,), (N * G,), ROWS, CHANNELS, CHANNELS, (2 * N * C,)], []),
    "plane_moments": ([(N, P), (N,), (N,)], []),
    "plane_affine": ([(N, P), (N,), (N,), (N,), (N, P)], []),
    "plane_gradient_sums": ([(N, P), (N, P), (N,), (N,), (N,)], []),
    "plane_gradient": ([(N, P), (N, P), (N,), (N,), (N,), (N,), (N, P)], []),
    "l2_norm_forward": ([MAPS, CHANNELS, MAPS, (N, P)], [1e-12]),
    "l2_norm_backward": ([MAPS, MAPS, CHANNELS, (N, P), MAPS, CHANNELS, (N * C,)], [1e-12]),
    "local_response_norm_forward": ([MAPS, MAPS, MAPS], [3, 1e-4, 0.75, 1.0]),
    "local_response_norm_backward": ([MAPS, MAPS, MAPS, MAPS, (N * C * P,)], [3, 1e-4, 0.75]),
    "dropout_rows": ([(N, P), (N, P)], [7, 2.0, 1, 0]),
    "mish_forward": ([(P,), (P,)], []),
    "mish_backward": ([(P,), (P,), (P,)], []),
}
STATES, LAST = (T + 1, N, H), (N, H)
RECURRENT = {  # as above; lengths are an array of int64, scratch memory is added
    "lstm_forward": [(T, N, 4 * H), (H, 4 * H), (4 * H,), "lengths", STATES, STATES],
    "lstm_backward": [(T, N, 4 * H), STATES, (T, N, H), (4 * H, H), "lengths", LAST, LAST, (T, N, 4 * H)],
    "gru_forward": [(T, N, 3 * H), (H, 3 * H), (3 * H,), (3 * H,), "lengths", STATES, (T, N, H), (N, 3 * H)],
    "gru_backward": [(T, N, 3 * H), (T, N, H), STATES, (T, N, H), (3 * H, H), "lengths", LAST, (T, N, 3 * H),
                     (T, N, 3 * H)],
}


@pytest.fixture(params=available())
def kernel(request):
    with use(request.param):
        yield kernels(np.dtype(np.float32))


FREE = {("plane_moments", 0, 1)}  # kernel, array, axis: nothing else has this extent


def shorter(arrays):
    """The arrays once for each of their axes, with that axis one shorter, and which it was."""
    for i, array in enumerate(arrays):
        for axis in range(array.ndim):
            less = np.ascontiguousarray(array.take(range(array.shape[axis] - 1), axis))
            yield i, axis, [*arrays[:i], less, *arrays[i + 1:]]


def refused(call, arrays, more):
    try:
        call(*arrays, *more)
    except ValueError:
        return True
    return False


def assert_refuses_each(call, arrays, more):
    assert not refused(call, arrays, more)
    taken = [(call.__name__, i, axis) for i, axis, changed in shorter(arrays) if not refused(call, changed, more)]
    assert set(taken) <= FREE


@pytest.mark.parametrize("name", KERNELS)
def test_arrays_that_do_not_fit(kernel, name):
    shapes, more = KERNELS[name]
    assert_refuses_each(getattr(kernel, name), [np.ones(shape, "f") for shape in shapes], more)


@pytest.mark.parametrize("name", RECURRENT)
def test_sequences_that_do_not_fit(kernel, name):
    arrays = [np.full(N, T) if shape == "lengths" else np.ones(shape, "f") for shape in RECURRENT[name]]
    call, room = getattr(kernel, name), np.empty(1 << 14, np.float32)
    assert_refuses_each(call, arrays, [room, False])
    with pytest.raises(ValueError, match=f"{name}: scratch is too small"):
        call(*arrays, room[:1], False)


def test_sizes_that_are_refused(kernel):
    x = np.ones(MAPS, "f")
    with pytest.raises(ValueError, match="size must be positive"):
        kernel.local_response_norm_forward(x, x.copy(), x.copy(), 0, 1e-4, 0.75, 1.0)
    with pytest.raises(ValueError, match="x is empty"):
        kernel.prelu_forward(x[:0], np.ones(C, "f"), x[:0].copy())
