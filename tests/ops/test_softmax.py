"""Softmax at the ends of the numbers, and what it refuses."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import kernels


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

    def test_over_channels(self, dtype):
        x = np.broadcast_to(np.array(self.logits, dtype)[:, :, None], (3, 3, 70)).copy()
        x[2, 1, 40] = np.nan
        y, want = F.softmax(x).numpy(), F.softmax(np.array(self.logits, dtype)).numpy()
        pixels = np.arange(70) != 40
        assert y[:, :, pixels] == pytest.approx(np.broadcast_to(want[:, :, None], (3, 3, 69)), abs=1e-6)
        assert np.isnan(y[2, :, 40]).all()
        assert not np.isnan(y[:2]).any()
        logs = F.log_softmax(x[:2]).numpy()
        assert logs == pytest.approx(np.array([[[0], [-2e4], [-1e4]], [[-np.log(3)]] * 3]) * np.ones(70), rel=1e-6)

    @pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
    def test_rows_and_channels_agree(self, dtype, function):
        rows = np.random.default_rng(0).standard_normal((130, 150)).astype(dtype)
        ours, turned = Tensor(rows, requires_grad=True), Tensor(rows.T.copy(), requires_grad=True)
        y, z = function(ours, 1), function(turned, 0)
        np.testing.assert_allclose(z.numpy().T, y.numpy(), rtol=1e-5)
        gy = np.random.default_rng(1).standard_normal(rows.shape).astype(dtype)
        y.backward(gy)
        z.backward(gy.T)
        np.testing.assert_allclose(turned.grad.T, ours.grad, atol=1e-5)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_kernels_over_channels_refuse_what_does_not_fit(name):
    x = np.zeros((2, 3, 4), "f")
    module = kernels(x.dtype)
    for wrong in (x[:1].copy(), x[:, :2].copy(), x[:, :, :3].copy()):
        with pytest.raises(ValueError, match="softmax over channels"):
            getattr(module, f"{name}_channels_forward")(x, wrong)
        for i in range(3):
            arrays = [x, x, x.copy()]
            arrays[i] = wrong
            with pytest.raises(ValueError, match="softmax over channels"):
                getattr(module, f"{name}_channels_backward")(*arrays)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_an_axis_that_x_does_not_have_is_refused(function):
    with pytest.raises(ValueError, match=f"{function.__name__}: axis 2 is none of x, of shape"):
        function(np.zeros((2, 10), "f"), axis=2)
