"""The random numbers of dropout, against what their authors published and against their twin."""
import numpy as np
import pytest

from tinycnn._kernels import available, kernels, use

ONES = 2**64 - 1
# Random123's known answers: counter (lower, upper half), key, and the four words.
KNOWN = [
    (0, 0, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    (ONES, ONES, ONES, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (0x85A308D3_243F6A88, 0x03707344_13198A2E, 0x299F31D0_A4093822, [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
]


@pytest.mark.parametrize("isa", [*available(), "reference"])
@pytest.mark.parametrize(("counter", "draw", "seed", "words"), KNOWN)
def test_known_answers(isa, counter, draw, seed, words):
    got = np.empty(64, np.uint32)
    with use(isa):
        kernels(np.dtype(np.float32)).philox_words(counter, draw, seed, got)
    assert got[::16].tolist() == words


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000])
def test_mask_is_the_twins_for_any_thread_count(isa, dtype, size, share_out_everything):
    x, masks = np.ones(size, dtype), []
    for build in ("reference", isa):
        for _ in share_out_everything():
            y = np.empty_like(x)
            with use(build):
                kernels(x.dtype).dropout(x, y, 2**31, 2.0, 123456789012345, 7)
            masks.append(y)
    for other in masks[1:]:
        np.testing.assert_array_equal(masks[0], other)
    assert set(masks[0]) <= {0.0, 2.0}
