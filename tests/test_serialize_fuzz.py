"""Damage at random: a file may still load (a flipped weight is a weight) or be refused; nothing else may happen."""

from __future__ import annotations

import functools
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch_writer as tw
from hypothesis import given, settings
from hypothesis import strategies as st

from tinycnn.serialize import CheckpointError, load_object


def samples() -> dict[str, bytes]:
    metadata = tw.ordered({"": tw.dict_of({"version": tw.number(1)})})
    code = tw.ordered(
        {
            "w": tw.tensor(tw.storage("0", 6), (2, 3)),
            "t": tw.tensor(tw.storage("0", 6), (3, 2), (1, 3)),
            "h": tw.tensor(tw.storage("1", 2, "BFloat16Storage"), (2,)),
            "n": tw.numpy_array((1,), bytes(4)),
            "b": tw.tensor(tw.storage("2", 3, "BoolStorage"), (3,)),
        },
        metadata,
    )
    blocks = {"0": np.arange(6, dtype="<f4").tobytes(), "1": bytes(4), "2": bytes(3)}
    arrays = {"w": np.arange(6.0).reshape(2, 3), "f": np.asfortranarray(np.ones((2, 2), np.int8))}
    counts = {"0": 6, "1": 2, "2": 3}
    return {
        "zip": tw.zip_file(code, blocks, byteorder=b"little"),
        "deflated": tw.deflated(
            ("a/data.pkl", tw.program(code)), *((f"a/data/{key}", block) for key, block in blocks.items())
        ),
        "stream": tw.stream_file(code, [(key, counts[key], block) for key, block in blocks.items()]),
        "protocol 4": tw.zip_of([("a/data.pkl", pickle.dumps({"a": [1, (2.5, None)], "b": arrays, "c": b"x"}, 4))]),
        "npz": tw.saved(**arrays),
    }


SAMPLES = samples()


def loads_or_refuses(path: Path, data: bytes) -> bool:
    """Whether `data` loads; anything but loading and `CheckpointError` propagates."""
    path.write_bytes(data)
    try:
        assert_plain(load_object(path))
    except CheckpointError:
        return False
    return True


def assert_plain(value: object) -> None:
    assert type(value) in (dict, list, tuple, str, int, float, bool, bytes, type(None)) or isinstance(
        value, dict | np.ndarray | np.generic
    )
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        assert_plain(child)


@pytest.mark.parametrize("kind", SAMPLES)
def test_sound_samples_load(tmp_path, kind):
    assert loads_or_refuses(tmp_path / "file", SAMPLES[kind])


@pytest.mark.parametrize("kind", SAMPLES)
def test_truncation_anywhere_is_refused(tmp_path, kind):
    data = SAMPLES[kind]
    with tw.alarmed():
        loaded = [length for length in range(0, len(data), 3) if loads_or_refuses(tmp_path / "file", data[:length])]
    assert not loaded


@pytest.mark.parametrize("kind", SAMPLES)
def test_flipped_bits(tmp_path, kind):
    data, generator = SAMPLES[kind], random.Random(0)
    refused = 0
    with tw.alarmed():
        for _ in range(400):
            damaged = bytearray(data)
            for _ in range(generator.choice((1, 1, 2, 8))):
                damaged[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
            refused += not loads_or_refuses(tmp_path / "file", bytes(damaged))
    assert refused > 100


fuzz = functools.partial(settings, deadline=None)


@fuzz(max_examples=200)
@given(
    head=st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x80\x02", tw.STREAM_HEAD[:20], tw.STREAM_HEAD]),
    tail=st.binary(max_size=300),
)
def test_random_bytes(tmp_path_factory, head, tail):
    loads_or_refuses(tmp_path_factory.getbasetemp() / "random", head + tail)


@fuzz(max_examples=200)
@given(
    kind=st.sampled_from(sorted(SAMPLES)),
    at=st.floats(0, 1, exclude_max=True),
    removed=st.integers(0, 8),
    inserted=st.binary(max_size=8),
)
def test_random_splices(tmp_path_factory, kind, at, removed, inserted):
    data = SAMPLES[kind]
    start = int(at * len(data))
    damaged = data[:start] + inserted + data[start + removed :]
    loads_or_refuses(tmp_path_factory.getbasetemp() / "splice", damaged)


INTEGERS = [0, 1, 2, 3, 5, 255, -1, (1 << 31) - 1, 1 << 48, (1 << 61) - 1, 1 << 64]
FRAGMENTS = [
    *(bytes([opcode]) for opcode in b"()]}0 12tlaesuRQbN\x85\x86\x87\x88\x89\x93\x94"),
    *(tw.number(value) for value in INTEGERS),
    *(b"q" + bytes([index]) for index in range(4)),
    *(b"h" + bytes([index]) for index in range(4)),
    *(tw.text(value) for value in ("storage", "0", "_metadata", "latin1", "f4", "<", "torch.float64", "ÿ")),
    *(tw.name("torch", name) for name in ("FloatStorage", "BoolStorage", "Size", "device", "bfloat16", "Tensor")),
    *(
        tw.name("torch._utils", name)
        for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter")
    ),
    *(tw.name("numpy.core.multiarray", name) for name in ("_reconstruct", "scalar")),
    *(tw.name("numpy", name) for name in ("dtype", "ndarray")),
    *(tw.name("collections", name) for name in ("OrderedDict", "Counter")),
    tw.name("torch._tensor", "_rebuild_from_type_v2"),
    tw.name("_codecs", "encode"),
    tw.storage("0", 1),
    tw.ordered({}),
    tw.call(tw.name("numpy", "dtype"), tw.text("f4")),
    tw.tuple_of(b"K\x03", tw.text(">"), *[tw.NONE] * 6),
    tw.numpy_array((1,), bytes(4)),
    b"C\x04abcd",
    tw.WEIGHT,
]


@fuzz(max_examples=300)
@given(fragments=st.lists(st.sampled_from(FRAGMENTS), max_size=30))
def test_random_programs(tmp_path_factory, fragments):
    """Sound pieces in any order reach further into the reader than random bytes do."""
    loads_or_refuses(tmp_path_factory.getbasetemp() / "program", tw.zip_file(b"".join(fragments), tw.ONE))


CALLS = [fragment for fragment in FRAGMENTS if fragment.startswith(b"c")]
VALUES = [fragment for fragment in FRAGMENTS if len(fragment) > 1 and fragment[:1] not in b"qh"]


@fuzz(max_examples=300)
@given(
    function=st.sampled_from(CALLS),
    arguments=st.lists(
        st.sampled_from(VALUES) | st.lists(st.sampled_from(VALUES), max_size=3).map(lambda items: tw.tuple_of(*items)),
        max_size=8,
    ),
    state=st.sampled_from([b"", tw.EMPTY_TUPLE + b"b", tw.dict_of({"_metadata": tw.WEIGHT}) + b"b"]),
)
def test_random_calls(tmp_path_factory, function, arguments, state):
    """Every function that a file may call, with arguments of every kind."""
    loads_or_refuses(
        tmp_path_factory.getbasetemp() / "call", tw.zip_file(tw.call(function, *arguments) + state, tw.ONE)
    )
