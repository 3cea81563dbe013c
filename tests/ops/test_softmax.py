"""Softmax at the ends of the numbers, and what it refuses."""
import numpy as np
import pytest

from tinycnn import functional as F
from tinycnn._kernels import available, use


@pytest.fixture(params=available())
def isa(request):
    with use(request.param):
        yield request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("isa")
class TestLargeLogits:
    logits = ((1e4, -1e4, 0.0), (-1e4, -1e4, -1e4), (1e30, -1e30, 0.0))

    def test_softmax(self, dtype):
        y = F.softmax(np.array(self.logits, dtype)).numpy()
        assert y == pytest.approx(np.array([[1, 0, 0], [1 / 3] * 3, [1, 0, 0]]), abs=1e-6)
        logs = F.log_softmax(np.array(self.logits[:2], dtype)).numpy()
        assert logs == pytest.approx(np.array([[0, -2e4, -1e4], [-np.log(3)] * 3]), rel=1e-6)

    @pytest.mark.parametrize("at", [0, 16, 40])
    def test_nan_gives_nan_in_its_row_alone(self, dtype, at):
        x = np.zeros((3, 41), dtype)
        x[1, at] = np.nan
        np.testing.assert_array_equal(np.isnan(F.softmax(x).numpy()).all(1), [False, True, False])


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_an_axis_that_x_does_not_have_is_refused(function):
    with pytest.raises(ValueError, match=f"{function.__name__}: axis 2 is none of x, of shape"):
        function(np.zeros((2, 10), "f"), axis=2)
