"""Layers: torch's, of the same names, with the same arguments and state, give the same values and gradients."""
import numpy as np
import pytest

from tinycnn import Tensor, nn

MAPS, ROWS = (2, 6, 9, 7), (3, 6)
LAYERS = [  # class, arguments, shape of x
    ("Conv2d", (6, 4, 3), {}, MAPS),
    ("Conv2d", (6, 9, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": 2, "groups": 3, "bias": False}, MAPS),
    ("Conv2d", (6, 6, 5), {"padding": "same", "groups": 6}, MAPS),
    ("Linear", (6, 4), {}, ROWS),
    ("Linear", (6, 1), {"bias": False}, ROWS),
    ("BatchNorm2d", (6,), {"eps": 1e-3, "momentum": 0.3}, MAPS),
    ("BatchNorm2d", (6,), {"affine": False}, MAPS),
    ("BatchNorm1d", (6,), {}, ROWS),
    ("BatchNorm1d", (6,), {}, (2, 6, 5)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, MAPS),
    ("MaxPool2d", (2,), {"dilation": 2}, MAPS),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}, MAPS),
    ("AvgPool2d", (2,), {}, MAPS),
    ("AdaptiveAvgPool2d", (1,), {}, MAPS),
    ("AdaptiveAvgPool2d", ((4, 5),), {}, MAPS),
    ("ChannelShuffle", (3,), {}, MAPS),
    ("ConvTranspose2d", (6, 4, 3), {}, MAPS),
    ("ConvTranspose2d", (6, 9, (3, 2)), {"stride": (2, 1), "padding": 1, "output_padding": (1, 0), "groups": 3,
                                         "bias": False}, MAPS),
    ("ConvTranspose2d", (6, 6, 2, 2), {"dilation": 2}, MAPS),
    ("AdaptiveMaxPool2d", ((4, 5),), {}, MAPS),
    ("Upsample", (), {"scale_factor": 2}, MAPS),
    ("Upsample", ((5, 11),), {"mode": "bilinear", "align_corners": True}, MAPS),
    ("Upsample", (), {"scale_factor": (2, 0.5), "mode": "bilinear"}, MAPS),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 5)),
    ("PixelUnshuffle", (3,), {}, (2, 2, 9, 6)),
    ("ZeroPad2d", ((1, 2, 3, 0),), {}, MAPS),
    ("ReflectionPad2d", ((1, 2, 3, 0),), {}, MAPS),
    ("ReplicationPad2d", (2,), {}, MAPS),
    ("Flatten", (), {}, MAPS),
    ("Identity", (), {}, ROWS),
    ("ReLU", (), {}, ROWS),
    ("ReLU6", (), {}, ROWS),
    ("Sigmoid", (), {}, ROWS),
    ("Hardsigmoid", (), {}, ROWS),
    ("Hardswish", (), {}, ROWS),
    ("SiLU", (), {}, ROWS),
    ("Tanh", (), {}, ROWS),
    ("Softmax", (), {"dim": 1}, MAPS),
    ("LogSoftmax", (), {"dim": 1}, MAPS),
    ("Mish", (), {}, ROWS),
    ("LeakyReLU", (0.2,), {}, ROWS),
    ("PReLU", (), {}, MAPS),
    ("PReLU", (6,), {"init": 0.1}, ROWS),
    ("BatchNorm2d", (6,), {"momentum": None}, MAPS),
    ("LayerNorm", (7,), {}, MAPS),
    ("LayerNorm", ([6, 9, 7],), {"eps": 1e-3, "bias": False}, MAPS),
    ("LayerNorm", (6,), {"elementwise_affine": False}, ROWS),
    ("GroupNorm", (3, 6), {"eps": 1e-3}, MAPS),
    ("GroupNorm", (2, 6), {"affine": False}, MAPS),
    ("InstanceNorm2d", (6,), {}, MAPS),
    ("InstanceNorm2d", (6,), {"affine": True, "eps": 1e-3}, MAPS),
    ("LocalResponseNorm", (5,), {"alpha": 0.1, "k": 2.0}, MAPS),
]


def pair_of(torch, name, args, keywords):
    """Our layer in float64, and torch's with the same state."""
    ours = getattr(nn, name)(*args, **keywords).to(np.float64)
    theirs = getattr(torch.nn, name)(*args, **keywords).double()
    state = {key: torch.as_tensor(value) for key, value in ours.state_dict().items()}
    theirs.load_state_dict(state)
    return ours, theirs


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("name", "args", "keywords", "shape"), LAYERS, ids=[f"{n}{a}{k}" for n, a, k, _ in LAYERS])
def test_values_gradients_and_state_are_torchs(torch, name, args, keywords, shape, training):
    ours, theirs = pair_of(torch, name, args, keywords)
    array = np.random.default_rng(0).standard_normal(shape) * 4
    x, tx = Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    y, ty = ours.train(training)(x), theirs.train(training)(tx)
    np.testing.assert_allclose(y.numpy(), ty.detach().numpy(), atol=1e-10)
    gy = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(gy)
    ty.backward(torch.tensor(gy))
    np.testing.assert_allclose(x.grad, tx.grad.numpy(), atol=1e-10)
    for (key, p), (_, tp) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(p.grad, tp.grad.numpy(), atol=1e-10, err_msg=key)
    for (key, value), (tkey, tvalue) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert key == tkey
        np.testing.assert_allclose(value, tvalue.numpy(), atol=1e-10, err_msg=key)


def test_tensorflow_padding_halves_rounding_up():
    x = np.ones((1, 1, 5, 6), np.float32)
    layer = nn.Conv2d(1, 1, 3, stride=2, padding="tf_same", bias=False)
    layer.load_state_dict({"weight": np.ones((1, 1, 3, 3))})
    # 6 columns: nothing before, one after; 5 rows: one before, one after
    assert layer(x).tolist() == [[[[6, 6, 4], [9, 9, 6], [6, 6, 4]]]]


def test_global_pooling_is_the_mean():
    x = np.random.default_rng(0).standard_normal(MAPS).astype(np.float32)
    y = nn.GlobalAvgPool2d()(x)
    assert y.shape == (2, 6, 1, 1)
    np.testing.assert_allclose(y.numpy()[..., 0, 0], x.mean((2, 3)), atol=1e-6)


def test_dropout_in_training_alone():
    x, layer = np.ones((100, 100), np.float32), nn.Dropout(0.25)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.03)
    np.testing.assert_array_equal(layer.eval()(x).numpy(), x)
    np.testing.assert_array_equal(nn.Dropout(0.0)(x).numpy(), x)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.Conv2d(6, 4, 3, groups=4), "groups=4 must divide in_channels=6 and out_channels=4"),
    (lambda: nn.Conv2d(0, 4, 3), "in_channels must be an integer >= 1, got 0"),
    (lambda: nn.Conv2d(3, 4.0, 3), "out_channels must be an integer >= 1, got 4.0"),
    (lambda: nn.Conv2d(3, 4, 0), "kernel_size must be"),
    (lambda: nn.Conv2d(3, 4, 3, stride=(1, 0)), "stride must be"),
    (lambda: nn.Linear(3, -1), "out_features must be an integer >= 1, got -1"),
    (lambda: nn.BatchNorm2d(0), "BatchNorm2d: num_features must be an integer >= 1, got 0"),
    (lambda: nn.Dropout(1.5), r"Dropout: p must lie in \[0, 1\], got 1.5"),
    (lambda: nn.DropPath(-0.1), r"DropPath: p must lie in \[0, 1\], got -0.1"),
    (lambda: nn.StochasticDepth(0.5, "column"), "mode must be 'row' or 'batch', got 'column'"),
    (lambda: nn.DropConnectLinear(3, 4, 2.0), r"DropConnectLinear: p must lie in \[0, 1\], got 2.0"),
    (lambda: nn.GroupNorm(4, 6), "num_groups=4 must divide num_channels=6"),
    (lambda: nn.LayerNorm((3, 0)), "normalized_shape must be an integer >= 1, got 0"),
    (lambda: nn.InstanceNorm2d(5)(np.ones(MAPS, "f")), r"x must be \(N, 5, H, W\), got the shape \(2, 6, 9, 7\)"),
    (lambda: nn.LocalResponseNorm(0), "size must be an integer >= 1, got 0"),
    (lambda: nn.PReLU(0), "num_parameters must be at least 1, got 0"),
    (lambda: nn.BatchNorm2d(6)(np.ones(ROWS, "f")), r"x must have 4 axes, got the shape \(3, 6\)"),
    (lambda: nn.BatchNorm1d(6)(np.ones(MAPS, "f")), r"x must have 2 or 3 axes, got the shape \(2, 6, 9, 7\)"),
])
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_blocks_have_torchvisions_names():
    block = nn.ConvBNAct(3, 8, 5, stride=2, activation=nn.Hardswish, eps=1e-3)
    assert [type(m).__name__ for m in block] == ["Conv2d", "BatchNorm2d", "Hardswish"]
    assert block[1].eps == 1e-3
    assert block(np.zeros((1, 3, 9, 8), "f")).shape == (1, 8, 5, 4)
    linear = nn.DepthwiseBNAct(8, 3, activation=None)
    assert [type(m).__name__ for m in linear] == ["Conv2d", "BatchNorm2d"]
    assert linear[0].weight.shape == (8, 1, 3, 3)
