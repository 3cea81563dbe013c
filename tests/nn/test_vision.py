"""Layers of vision: pyramids, regions, and what they refuse."""
from __future__ import annotations

import numpy as np
import pytest

from tinycnn import functional as F
from tinycnn import nn

X = np.random.default_rng(0).standard_normal((2, 8, 13, 10)).astype("f")


def test_a_pyramid_is_its_levels_side_by_side(torch):
    y = nn.SpatialPyramidPooling()(X).numpy()
    levels = [torch.nn.functional.adaptive_max_pool2d(torch.tensor(X), n).flatten(1) for n in (1, 2, 3, 6)]
    np.testing.assert_array_equal(y, torch.cat(levels, 1).numpy())
    assert y.shape == (2, 8*50)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (6, 6), (40, 31)])
def test_a_pyramid_has_one_length_for_all_sizes(size):
    assert nn.SpatialPyramidPooling((4, 2, 1))(np.ones((3, 2, *size), "f")).shape == (3, 2*21)


def test_spp_joins_the_map_and_its_growing_maxima(torch):
    x = torch.tensor(X)
    pools = [torch.nn.functional.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13)]
    np.testing.assert_array_equal(nn.SPP()(X).numpy(), torch.cat([x, *pools], 1).numpy())
    np.testing.assert_array_equal(nn.SPP((13, 9, 5), input_first=False)(X).numpy(), torch.cat([*pools[::-1], x], 1))


def test_regions_pass_their_arguments_on():
    boxes = np.array([[0, 1.3, 2.2, 9.1, 11.0], [1, 0, 0, 4.5, 6.5]])
    for layer, want in [
        (nn.RoIPool((3, 2), 0.5), F.roi_pool(X, boxes, (3, 2), 0.5)),
        (nn.PSRoIPool((2, 2), 0.5), F.ps_roi_pool(X, boxes, (2, 2), 0.5)),
        (nn.RoIAlign(2, 0.5, 3, True), F.roi_align(X, boxes, 2, 0.5, 3, True)),
    ]:
        np.testing.assert_array_equal(layer(X, boxes).numpy(), want.numpy())
    assert repr(nn.RoIAlign(2, 0.5)).endswith("spatial_scale=0.5, sampling_ratio=-1, aligned=False)")


def test_moving_layers_pass_their_arguments_on():
    x = X[..., :12, :]
    np.testing.assert_array_equal(nn.SpaceToDepth(2)(x).numpy(), F.space_to_depth(x, 2).numpy())
    for got, want in zip(nn.ConcatShuffleSplit()(X[:1], X[1:]), F.concat_shuffle_split(X[:1], X[1:]), strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.ConvTranspose2d(4, 6, 3, groups=4), "ConvTranspose2d: groups=4 must divide"),
    (lambda: nn.ConvTranspose2d(0, 6, 3), "ConvTranspose2d: in_channels"),
    (lambda: nn.ConvTranspose2d(4, 6, 3, padding=-1), "ConvTranspose2d: padding"),
    (lambda: nn.SpatialPyramidPooling(()), "SpatialPyramidPooling: bins is empty"),
    (lambda: nn.SpatialPyramidPooling((1, 0)), "SpatialPyramidPooling: bins"),
    (lambda: nn.SPP((5, 8)), "SPP: kernel_sizes must be odd"),
    (lambda: nn.SPP(()), "SPP: kernel_sizes"),
    (lambda: nn.RoIPool(0, 1.0), "RoIPool: output_size"),
    (lambda: nn.PixelShuffle(0), "PixelShuffle: upscale_factor"),
    (lambda: nn.PixelUnshuffle(1.5), "PixelUnshuffle: downscale_factor"),
    (lambda: nn.SpaceToDepth(-1), "SpaceToDepth: block"),
    (lambda: nn.ReflectionPad2d((1, 2)), "ReflectionPad2d: padding"),
    (lambda: nn.ZeroPad2d(-1), "ZeroPad2d: padding"),
])
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
