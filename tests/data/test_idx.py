"""The idx reader: what it reads, and what it refuses."""
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from idx_files import CODES, idx

from tinycnn.data import read_idx


@given(array=st.sampled_from(sorted(CODES)).flatmap(
    lambda code: hnp.arrays(code, hnp.array_shapes(max_dims=4, min_side=0, max_side=4))), compressed=st.booleans())
def test_reads_every_type_and_shape(tmp_path_factory, array, compressed):
    path = tmp_path_factory.mktemp("idx") / "array"
    path.write_bytes(gzip.compress(idx(array)) if compressed else idx(array))
    read = read_idx(path)
    assert read.dtype == array.dtype
    assert read.flags.writeable
    np.testing.assert_array_equal(read, array)


WHOLE = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
BROKEN = {
    "empty": (b"", "only 0 bytes"),
    "three bytes": (WHOLE[:3], "only 3 bytes"),
    "not idx": (b"PK\x03\x04" + WHOLE, "it starts with 50 4b 03 04"),
    "unknown type": (b"\0\0\x0a\x01" + WHOLE[4:], "it starts with 00 00 0a 01"),
    "no axes": (b"\0\0\x08\0" + WHOLE[4:], "0 axes"),
    "too many axes": (b"\0\0\x08\xff" + WHOLE[4:], "255 axes"),
    "cut in the extents": (WHOLE[:10], "extents of its 3 axes"),
    "cut in the data": (WHOLE[:-1], r"promises 24 bytes|takes 24 bytes, the file has 23"),
    "bytes after the array": (WHOLE + b"\0", "bytes after the array"),
    "huge extents": (b"\0\0\x08\x03" + b"\xff" * 12 + b"\0" * 24, "more than the file can hold"),
}


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("fault", BROKEN)
def test_names_the_file_and_the_fault(tmp_path, fault, compress):
    data, message = BROKEN[fault]
    path = tmp_path / "broken-file"
    path.write_bytes(compress(data))
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("spoil", [lambda b: b[:-6], lambda b: b[:-8] + bytes(8),
                                   lambda b: b[:12] + b"\xff" * 9 + b[21:]],
                         ids=["cut", "wrong checksum", "bad stream"])
def test_a_damaged_gzip_stream(tmp_path, spoil):
    path = tmp_path / "broken-file.gz"
    path.write_bytes(spoil(gzip.compress(WHOLE)))
    with pytest.raises(ValueError, match=r"broken-file\.gz: "):
        read_idx(path)


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 1 << 22) + bytes(1 << 22)))
    with pytest.raises(ValueError, match="than is accepted"):
        read_idx(path, max_bytes=1 << 20)
    assert read_idx(path).shape == (1 << 22,)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "missing")
