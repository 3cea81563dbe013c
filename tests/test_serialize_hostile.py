"""Broken and hostile files: each raises `CheckpointError`, none executes, crashes, hangs or takes much memory."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch_writer as tw

from tinycnn.serialize import CheckpointError, bounds, load_object

MOST_MEMORY = 64 << 20


@contextmanager
def little_memory() -> Iterator[None]:
    """Bounds what a block allocates at its peak."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


def refusal(path: Path) -> str:
    """The message of the `CheckpointError` that reading `path` must raise."""
    with tw.alarmed(), little_memory(), pytest.raises(CheckpointError) as caught:
        load_object(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert len(message) < 1000 + len(str(path))
    assert message.isprintable()
    return message


# Pickles that try to run code. CANARY is a file that they would create.

CANARY = "canary-of-a-hostile-pickle"
SHELL = tw.text(f"touch {CANARY}")
PYTHON = tw.text(f"open({CANARY!r}, 'w')")


def stack_global(module: str, attribute: str) -> bytes:
    return tw.text(module) + tw.text(attribute) + b"\x93"


EXECUTING = {
    "os.system": (tw.call(tw.name("os", "system"), SHELL), r"os\.system"),
    "posix.system": (tw.call(tw.name("posix", "system"), SHELL), r"posix\.system"),
    "nt.system": (tw.call(tw.name("nt", "system"), SHELL), r"nt\.system"),
    "subprocess.Popen": (tw.call(tw.name("subprocess", "Popen"), SHELL), r"subprocess\.Popen"),
    "eval": (tw.call(tw.name("builtins", "eval"), PYTHON), r"builtins\.eval"),
    "exec": (tw.call(tw.name("builtins", "exec"), PYTHON), r"builtins\.exec"),
    "eval of Python 2": (tw.call(tw.name("__builtin__", "eval"), PYTHON), r"__builtin__\.eval"),
    "open": (tw.call(tw.name("io", "open"), tw.text(CANARY), tw.text("w")), r"io\.open"),
    "nested calls": (
        tw.call(tw.call(tw.name("builtins", "getattr"), tw.name("os", "path"), tw.text("os")), SHELL),
        r"builtins\.getattr",
    ),
    "a result called again": (
        tw.call(tw.call(tw.name("torch", "device"), tw.text("os.system")), SHELL),
        "as if it were a function",
    ),
    "a string called": (tw.call(tw.text("os.system"), SHELL), "as if it were a function"),
    "a dtype called": (tw.call(tw.name("torch", "float32"), SHELL), "as if it were a function"),
    "a storage type called": (tw.call(tw.name("torch", "FloatStorage"), SHELL), "as if it were a function"),
    "names on the stack": (tw.call(stack_global("os", "system"), SHELL), r"os\.system"),
    "names that are no strings": (tw.number(1) + tw.number(2) + b"\x93", "a global is named by 1 and 2"),
    "a dotted name": (stack_global("collections", "OrderedDict.fromkeys"), r"OrderedDict\.fromkeys"),
    "a name within torch": (tw.name("torch.serialization", "os.system"), r"torch\.serialization"),
    "importlib": (tw.call(tw.name("importlib", "import_module"), tw.text("os")), "importlib"),
    "torch.load": (tw.call(tw.name("torch", "load"), tw.text(CANARY)), r"torch\.load"),
    "torch.storage._load_from_bytes": (tw.name("torch.storage", "_load_from_bytes"), "_load_from_bytes"),
    "torch.jit": (tw.name("torch.jit", "load"), r"torch\.jit"),
    "numpy.load": (tw.name("numpy", "load"), r"numpy\.load"),
    "functools.partial": (tw.name("functools", "partial"), r"functools\.partial"),
    "argparse.Namespace": (tw.name("argparse", "Namespace"), r"argparse\.Namespace"),
    "defaultdict": (tw.name("collections", "defaultdict"), r"collections\.defaultdict"),
    "another codec": (
        tw.call(tw.name("_codecs", "encode"), tw.text("636f6465"), tw.text("hex")),
        r"_codecs\.encode is called with '636f6465' and 'hex'",
    ),
    "INST": (b"(" + SHELL + b"ios\nsystem\n", "opcode 0x69"),
    "OBJ": (b"(" + tw.name("collections", "OrderedDict") + SHELL + b"o", "opcode 0x6f"),
    "NEWOBJ": (tw.name("collections", "OrderedDict") + tw.EMPTY_TUPLE + b"\x81", "opcode 0x81"),
    "NEWOBJ_EX": (tw.name("collections", "OrderedDict") + tw.EMPTY_TUPLE + tw.EMPTY_DICT + b"\x92", "opcode 0x92"),
    "EXT1": (b"\x82\x01", "opcode 0x82"),
    "EXT2": (b"\x83\x01\x00", "opcode 0x83"),
    "EXT4": (b"\x84\x01\x00\x00\x00", "opcode 0x84"),
    "PERSID": (b"Pstorage\n", "opcode 0x50"),
    "NEXT_BUFFER": (b"\x97", "opcode 0x97"),
    "BUILD on a dict": (tw.EMPTY_DICT + tw.dict_of({"__setstate__": SHELL}) + b"b", "attributes are set on a dict"),
    "BUILD with slots": (
        tw.ordered({}) + tw.tuple_of(tw.NONE, tw.EMPTY_DICT) + b"b",
        "attributes are set on a StateDict",
    ),
    "BUILD on a function": (
        tw.name("collections", "OrderedDict") + tw.EMPTY_DICT + b"b",
        "attributes are set on a Constructor",
    ),
    "BUILD on a tensor": (tw.WEIGHT + tw.EMPTY_DICT + b"b", "attributes are set on a ndarray"),
    "_metadata that is no dict": (tw.ordered({}, SHELL), "_metadata is 'touch"),
    "an array of objects": (tw.call(tw.name("numpy", "dtype"), tw.text("O8")), "element type 'O8'"),
    "an array subclass": (
        tw.call(tw.name("numpy.core.multiarray", "_reconstruct"), tw.name("collections", "OrderedDict"), b")", b"N"),
        "_reconstruct is called for a Constructor",
    ),
}


@pytest.mark.parametrize("case", EXECUTING)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_code_is_never_executed(tmp_path, monkeypatch, case, zipped):
    code, expected = EXECUTING[case]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    code = tw.dict_of({"w": code})
    path.write_bytes(tw.zip_file(code, tw.ONE) if zipped else tw.stream_file(code, []))
    assert re.search(expected, refusal(path))
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_the_canary_is_alive(tmp_path, monkeypatch):
    """The same bytes do run code under the standard unpickler: the test above means something."""
    monkeypatch.chdir(tmp_path)
    for case in ("eval", "names on the stack", "INST"):
        pickle.loads(tw.program(EXECUTING[case][0]))
        assert (tmp_path / CANARY).exists()
        (tmp_path / CANARY).unlink()


# Pickles that are broken, or that ask for too much

DEEP = 100_000
DEEP_DICTS = b"}K\x00" * (DEEP // 2) + b"N" + b"s" * (DEEP // 2)


def shared_lists(levels: int) -> bytes:
    """A list of ten times the same list of ten times ..., each level a few bytes of pickle."""
    code = tw.EMPTY_LIST + b"q\x00"
    for _ in range(levels):
        code += b"](" + b"h\x00" * 10 + b"eq\x00"
    return code


def repeated_call(function: bytes, arguments: bytes, times: int) -> bytes:
    """One call over and over, its results dropped."""
    return function + b"q\x080" + arguments + b"q\x090" + b"h\x08h\x09R0" * times + tw.NONE


PICKLES = {
    "empty": (b"", "finds the stack empty"),
    "stack underflow": (b"0", "finds the stack empty"),
    "a pop across a mark": (tw.number(1) + b"(\x85", "finds the stack empty"),
    "an unmatched mark": (b"t", "finds the stack empty"),
    "protocol 200": (b"\x80\xc8", "protocol 200"),
    "an unknown opcode": (b"\xff", "opcode 0xff at byte"),
    "protocol 0's integers": (b"I" + b"9" * 100_000 + b"\n", "opcode 0x49"),
    "protocol 0's long": (b"L" + b"9" * 100_000 + b"L\n", "opcode 0x4c"),
    "a set": (b"\x8f", "opcode 0x8f"),
    "oversized memo index": (tw.NONE + b"r\xff\xff\xff\x7f", "memo index 2147483647; the limit"),
    "unknown memo index": (b"h\x07", "memo index 7 was never stored"),
    "a memo of nothing": (b"q\x00", "finds the stack empty"),
    "huge LONG1": (b"\x8a\xff" + b"\x7f" * 255, "an integer of 255 bytes"),
    "huge LONG4": (b"\x8b\xff\xff\xff\x7f", "an integer of 2147483647 bytes"),
    "negative LONG4": (b"\x8b\xff\xff\xff\xff", "an integer of -1 bytes"),
    "huge BINUNICODE": (b"X\xff\xff\xff\xff", "a string of 4294967295 bytes"),
    "BINUNICODE past the end": (b"X\xff\xff\x00\x00", "65535 bytes are wanted at byte"),
    "huge BINUNICODE8": (b"\x8d" + b"\xff" * 8, "a string of 18446744073709551615 bytes"),
    "huge BINBYTES8": (b"\x8e" + b"\xff" * 7 + b"\x7f", "a string of 9223372036854775807 bytes"),
    "negative BINSTRING": (b"T\xff\xff\xff\xff", "a string of -1 bytes"),
    "text that is not UTF-8": (b"X\x02\x00\x00\x00\xff\xfe", "is not UTF-8"),
    "a name that is not UTF-8": (b"c\xff\n\n", "is not UTF-8"),
    "a surrogate": (b"X\x03\x00\x00\x00\xed\xa0\x80", "is not UTF-8"),
    "a name without end": (b"c" + b"a" * 100_000, "does not end within 256 bytes"),
    "terminal escapes in a name": (tw.name("\x1b[2J", "x"), r"\\x1b\[2J"),
    "a frame past the end": (b"\x95" + b"\xff" * 8, "a frame of 18446744073709551615 bytes"),
    "deep lists": (tw.EMPTY_LIST * DEEP + b"a" * (DEEP - 1), "nested more than 256 deep"),
    "deep tuples": (tw.EMPTY_TUPLE + b"\x85" * DEEP, "nested more than 256 deep"),
    "deep dicts": (DEEP_DICTS, "nested more than 256 deep"),
    "deep marks": (b"(" * DEEP, "more than 256 nested marks"),
    "deep metadata": (
        tw.ordered({}, DEEP_DICTS),
        "nested more than 256 deep",
    ),
    "deep by shared parts": (
        tw.EMPTY_LIST + b"q\x000(" + b"h\x00\x85q\x00" * 1000 + b"t",
        "nested more than 256 deep",
    ),
    "a list in itself": (tw.EMPTY_LIST + b"2a", "a container contains itself"),
    "a list in its tuple": (tw.EMPTY_LIST + b"q\x00h\x00\x85a", "a container contains itself"),
    "a dict in itself": (tw.EMPTY_DICT + b"q\x00K\x00h\x00s", "a container contains itself"),
    "a billion laughs": (shared_lists(30), "spells out to more than"),
    "a full stack": (b"N" * 300_000, "more than 200000 objects on the stack"),
    "too many opcodes": (b"N0" * 600_000, "more than 1000000 opcodes"),
    "a list as a key": (tw.EMPTY_DICT + tw.EMPTY_LIST + b"Ns", "a list is used as a dict's key"),
    "a deep tuple as a key": (b"})" + b"\x85" * DEEP + b"Ns", "a tuple is used as a dict's key"),
    "a float as a key": (b"}G" + bytes(8) + b"Ns", "0.0 is used as a dict's key"),
    "colliding integers as keys": (b"}" + tw.number((1 << 61) - 1) + b"Ns", "is used as a dict's key"),
    "a deep key for an OrderedDict": (
        tw.call(tw.name("collections", "OrderedDict"), tw.list_of(tw.tuple_of(b")" + b"\x85" * DEEP, tw.NONE))),
        "a tuple is used as a dict's key",
    ),
    "pairs that are none": (tw.call(tw.name("collections", "OrderedDict"), tw.list_of(tw.NONE)), "made from a list"),
    "a Counter of a list": (tw.call(tw.name("collections", "Counter"), tw.EMPTY_LIST), "a Counter is made from a list"),
    "append to a dict": (tw.EMPTY_DICT + tw.NONE + b"a", "appended to a dict"),
    "item of a list": (tw.EMPTY_LIST + tw.NONE + tw.NONE + b"s", "put into a list"),
    "half a pair": (tw.EMPTY_DICT + b"(" + tw.NONE + b"u", "1 keys and values"),
    "a call without a tuple": (tw.name("torch", "Size") + tw.EMPTY_LIST + b"R", "called with a list where a tuple"),
    "too few arguments": (
        tw.call(tw.name("torch._utils", "_rebuild_tensor_v2")),
        "called with 0 arguments; expected 6 to 7",
    ),
    "a function as value": (tw.name("collections", "OrderedDict"), "holds a Constructor where"),
    "a storage as value": (tw.storage("0", 1), "holds a Storage where"),
    "a storage type as value": (tw.name("torch", "FloatStorage"), "holds a StorageType where"),
    "a Size of a list": (tw.call(tw.name("torch", "Size"), tw.EMPTY_LIST), "torch.Size is made from a list"),
    "a device of bytes": (tw.call(tw.name("torch", "device"), b"C\x01a"), "torch.device is called with b'a'"),
    "a long device": (tw.call(tw.name("torch", "device"), tw.text("a" * 1000), b"K\x00"), "torch.device is called"),
    "many long bytes": (
        repeated_call(tw.name("_codecs", "encode"), tw.text("a" * 1_000_000) + tw.text("latin1") + b"\x86", 100),
        "a bytes object would bring the memory",
    ),
    "bytes that are not latin-1": (
        tw.call(tw.name("_codecs", "encode"), tw.text("€"), tw.text("latin1")),
        "not latin-1",
    ),
    "many OrderedDicts": (tw.name("collections", "OrderedDict") + b"q\x000" + b"h\x00)R" * 180_000, "memory asked for"),
}


# Tensors that do not fit their storages (file: one storage "0" of one float32)

BIG = 1 << 62
EXPANDED = tw.tensor(tw.storage("0", 1), (100,), (0,))
REBUILD = tw.name("torch._utils", "_rebuild_tensor_v2")


def with_dtype(name: str, size: int) -> bytes:
    return tw.call(
        tw.name("torch._utils", "_rebuild_tensor_v3"),
        tw.storage("0", 4, "UntypedStorage"),
        *(b"K\x00", tw.tuple_of(tw.number(size)), tw.tuple_of(b"K\x01"), tw.FALSE, tw.NONE, tw.text(name)),
    )


def raw_tensor(*arguments: bytes) -> bytes:
    return tw.call(tw.name("torch._utils", "_rebuild_tensor"), *arguments)


TENSORS = {
    "storage too short": (tw.tensor(tw.storage("0", 2), (2,)), "storage '0' must have (8 bytes|2 elements)"),
    "storage missing": (
        tw.tensor(tw.storage("9", 1), (1,)),
        "no member 'archive/data/9'|names '0', which no tensor uses",
    ),
    "storage elsewhere": (tw.tensor(tw.storage("../../x", 1), (1,)), r"\.\./\.\./x'|names '0', which no tensor uses"),
    "tensor past the end": (
        tw.tensor(tw.storage("0", 1), (2,)),
        r"shape \(2,\) reaches element 1 of storage '0', which has 1",
    ),
    "offset past the end": (tw.tensor(tw.storage("0", 1), (1,), offset=1), "reaches element 1"),
    "offset near 2**64": (tw.tensor(tw.storage("0", 1), (1,), offset=(1 << 64) - 1), "offset is 18446744073709551615"),
    "stride past the end": (tw.tensor(tw.storage("0", 1), (2, 1), (7, 1)), "reaches element 7"),
    "negative stride": (tw.tensor(tw.storage("0", 1), (1,), (-1,)), "stride is -1"),
    "negative size": (tw.tensor(tw.storage("0", 1), (-1,)), "size is -1"),
    "two negative sizes": (tw.tensor(tw.storage("0", 1), (-1, -1), (1, 1)), "size is -1"),
    "negative offset": (tw.tensor(tw.storage("0", 1), (1,), offset=-1), "offset is -1"),
    "huge numel": (tw.tensor(tw.storage("0", 1 << 40), (1,)), "storage '0' must have 4398046511104 bytes"),
    "numel beyond 64 bits": (tw.tensor(tw.storage("0", 1 << 70), (1,)), "number of elements of storage '0'"),
    "negative numel": (tw.tensor(tw.storage("0", -1), (1,)), "number of elements of storage '0' is -1"),
    "numel is a bool": (tw.tensor(tw.storage("0", tw.TRUE), (1,)), "number of elements of storage '0' is True"),
    "numel is text": (tw.tensor(tw.storage("0", tw.text("1")), (1,)), "number of elements of storage '0' is '1'"),
    "size product overflows": (
        tw.tensor(tw.storage("0", 1), (1 << 40, 1 << 40), (0, 0)),
        r"number of elements of shape",
    ),
    "empty but huge": (tw.tensor(tw.storage("0", 1), (0, 1 << 40, 1 << 40), (0, 0, 0)), r"number of elements of shape"),
    "an expanded bomb": (tw.tensor(tw.storage("0", 1), (1 << 30,), (0,)), "would bring the memory asked for"),
    "many expanded tensors": (tw.list_of(*[tw.tensor(tw.storage("0", 1), (1 << 20,), (0,))] * 20), "memory asked for"),
    "many tiny tensors": (
        repeated_call(REBUILD, EXPANDED.removeprefix(REBUILD).removesuffix(b"R"), 40_000),
        r"a tensor of shape \(100,\) would bring the memory",
    ),
    "too many axes": (tw.tensor(tw.storage("0", 1), (1,) * 33), "tuples of one length up to 32"),
    "size and stride differ in length": (tw.tensor(tw.storage("0", 1), (1,), (1, 1)), "tuples of one length"),
    "size is a list": (raw_tensor(tw.storage("0", 1), b"K\x00", tw.EMPTY_LIST, tw.EMPTY_TUPLE), "a list and a tuple"),
    "a size is a float": (
        raw_tensor(tw.storage("0", 1), b"K\x00", b"G" + bytes(8) + b"\x85", b"K\x01\x85"),
        "size is 0.0; expected an integer",
    ),
    "offset is an array": (
        raw_tensor(tw.storage("0", 1), tw.WEIGHT, tw.EMPTY_TUPLE, tw.EMPTY_TUPLE),
        "offset is a ndarray",
    ),
    "a tensor on a list": (raw_tensor(tw.EMPTY_LIST, b"K\x00", tw.EMPTY_TUPLE, tw.EMPTY_TUPLE), "built on a list"),
    "storage key is a number": (tw.tensor(tw.storage(tw.number(0), 1), (1,)), "a storage's key is 0"),
    "storage of two types": (
        tw.list_of(tw.WEIGHT, tw.tensor(tw.storage("0", 1, "IntStorage"), (1,))),
        "storage '0' is announced twice",
    ),
    "storage of two lengths": (
        tw.list_of(
            tw.tensor(tw.storage("0", 4, "ByteStorage"), (1,)), tw.tensor(tw.storage("0", 3, "ByteStorage"), (1,))
        ),
        "storage '0' is announced twice",
    ),
    "storage type is text": (
        tw.tuple_of(tw.text("storage"), tw.text("x"), tw.text("0"), tw.NONE, b"K\x01") + b"Q",
        "type is 'x'",
    ),
    "a persistent module": (
        tw.tuple_of(tw.text("module"), *[tw.NONE] * 4) + b"Q",
        "names 'module'; expected a storage",
    ),
    "a persistent array": (tw.tuple_of(tw.WEIGHT, *[tw.NONE] * 4) + b"Q", "names a ndarray; expected a storage"),
    "a short persistent id": (tw.EMPTY_TUPLE + b"Q", "expected a tuple of 5 or 6"),
    "a view past the end": (
        tw.storage("0", 1, view=tw.tuple_of(tw.text("v"), b"K\x01", b"K\x01")),
        "elements 1 to 2 of storage '0', which has 1",
    ),
    "a negative view": (
        tw.storage("0", 1, view=tw.tuple_of(tw.text("v"), tw.number(-1), b"K\x01")),
        "storage view is -1",
    ),
    "a view that is none": (tw.storage("0", 1, view=tw.text("v")), "storage's view is 'v'"),
    "a quantised storage": (tw.storage("0", 1, "QInt8Storage"), r"torch\.QInt8Storage"),
    "a conjugate flag": (
        tw.tensor(tw.storage("0", 1), (1,), None, 0, tw.dict_of({"conj": tw.TRUE})),
        "conjugate or negative",
    ),
    "an array as flags": (tw.tensor(tw.storage("0", 1), (1,), None, 0, tw.WEIGHT), "conjugate or negative"),
    "a wider type than the bytes": (with_dtype("torch.float64", 1), "reaches element 0 of storage '0', which has 0"),
    "an unknown type": (with_dtype("torch.float8_e4m3fn", 1), "element type is 'torch.float8_e4m3fn'"),
    "a Parameter of nothing": (
        tw.call(tw.name("torch._utils", "_rebuild_parameter"), tw.NONE, tw.TRUE, tw.NONE),
        "a Parameter wraps None",
    ),
    "a tensor rebuilt by another function": (
        tw.call(
            tw.name("torch._tensor", "_rebuild_from_type_v2"),
            *(tw.name("collections", "OrderedDict"), tw.name("torch", "Tensor"), tw.EMPTY_TUPLE, tw.NONE),
        ),
        "rebuilt by a Constructor as a TensorClass",
    ),
    "a tensor rebuilt by itself": (
        tw.name("torch._tensor", "_rebuild_from_type_v2")
        + b"q\x00"
        + b"("
        + b"h\x00"
        + tw.name("torch", "Tensor")
        + b")NtR",
        "rebuilt by a Constructor as a TensorClass",
    ),
    "a NumPy array longer than its bytes": (
        tw.numpy_array((3,), bytes(8)),
        r"shape \(3,\), type float32 comes with 8 bytes",
    ),
    "a NumPy array of negative shape": (tw.numpy_array((-1,), b""), "size is -1"),
    "a NumPy array of huge shape": (tw.numpy_array((BIG, BIG, 0), b""), "a size is 4611686018427387904"),
    "a NumPy array with fields": (
        tw.numpy_array(
            (1,), bytes(4), tw.tuple_of(b"K\x03", tw.text("<"), tw.NONE, tw.text("a"), *[b"K\x00"] * 4) + b"b"
        ),
        "fields or a sub-array",
    ),
    "a NumPy type with an array for version": (
        tw.numpy_array((1,), bytes(4), tw.tuple_of(tw.WEIGHT, tw.text("<"), *[tw.NONE] * 6) + b"b"),
        "fields or a sub-array",
    ),
    "a NumPy array built twice": (
        tw.numpy_array((1,), bytes(4)) + tw.EMPTY_TUPLE + b"b",
        "attributes are set on a ndarray",
    ),
    "a NumPy scalar of no type": (
        tw.call(tw.name("numpy.core.multiarray", "scalar"), tw.text("f4"), b"C\x04abcd"),
        "element type is 'f4'",
    ),
    "a NumPy scalar too long": (
        tw.call(
            tw.name("numpy.core.multiarray", "scalar"), tw.call(tw.name("numpy", "dtype"), tw.text("f4")), b"C\x05abcde"
        ),
        "scalar of type float32 comes with b'abcde'",
    ),
}


LARGE = 10_000  # bytes of pickle from which on one format must do: both run the same machine


@pytest.mark.parametrize(
    ("case", "zipped"),
    [
        pytest.param(case, zipped, id=f"{'zip' if zipped else 'stream'}-{case}")
        for case, (code, _) in (PICKLES | TENSORS).items()
        for zipped in (True, False)
        if zipped or len(code) < LARGE
    ],
)
def test_broken_pickles(tmp_path, case, zipped):
    code, expected = (PICKLES | TENSORS)[case]
    path = tmp_path / "weights.pth"
    if zipped:
        path.write_bytes(tw.zip_file(code, tw.ONE))
    else:
        if b"storage" not in code:  # the stream's list of storages wants the storage used, so use it and drop it
            code = tw.WEIGHT + b"0" + code
        path.write_bytes(tw.stream_file(code, [("0", 1, tw.ONE["0"])]))
    assert re.search(expected, refusal(path))


# Files that are broken around the pickle


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1
    assert len(old) == len(new)
    return data.replace(old, new)


def zip_flags(data: bytes, flags: int, method: int = 0) -> bytes:
    """`data`, a zip archive of stored members, with other general flags and compression method in every header."""
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = data.split(signature)
        header = struct.pack("<HH", flags, method)
        data = signature.join([parts[0], *(part[: offset - 4] + header + part[offset:] for part in parts[1:])])
    return data


def member_size(data: bytes, name: str, size: int) -> bytes:
    """`data`, a zip archive, with another uncompressed size for `name` in the central directory."""
    at = data.rindex(name.encode()) - 46 + 24
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


def duplicate_members() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return tw.zip_of([("a/data.pkl", tw.program(b"]")), ("a/data.pkl", tw.program(b"}"))])


def npz(
    header: str | bytes, data: bytes = bytes(8), magic: bytes = b"\x93NUMPY\x01\x00", compression: int = 0
) -> bytes:
    header = header.encode() if isinstance(header, str) else header
    return tw.zip_of([("w.npy", magic + struct.pack("<H", len(header)) + header + data)], compression)


def npy_header(descr: str = "'<f4'", shape: str = "(2,)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def tar_of(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


SOUND_ZIP = tw.zip_file(tw.dict_of({"w": tw.WEIGHT}), tw.ONE, byteorder=b"little")
SOUND_STREAM = tw.stream_file(tw.dict_of({"w": tw.WEIGHT}), [("0", 1, tw.ONE["0"])])

ONE_BLOCK = struct.pack("<q", 1) + tw.ONE["0"]
BOMB_BYTES = 40 << 20


def bomb(size: int) -> bytes:
    """A tensor of `size` elements on a storage of many bytes, which as zeros take few in a tw.deflated file."""
    return tw.tensor(tw.storage("0", BOMB_BYTES, "ByteStorage"), (size,))


def part_of_a_bomb() -> bytes:
    header = npy_header(shape="(1000000,)").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(4_000_000)


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty"),
    "text": (lambda: b"weights go here\n", "not a weights file .* starts with b'weights go here"),
    "a web page": (lambda: b"<!DOCTYPE html><html>404</html>", "not a weights file"),
    "a Git LFS pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "starts with b'version https://"),
    "gzip": (lambda: b"\x1f\x8b\x08\x00" + bytes(20), "not a weights file"),
    "a single .npy": (lambda: b"\x93NUMPY\x01\x00" + bytes(20), "NUMPY"),
    "torch's tar format": (lambda: tar_of("sys_info"), "a tar archive"),
    "a bare pickle": (lambda: pickle.dumps({"w": 1}, 2), "the magic number is missing"),
    "a bare hostile pickle": (lambda: tw.program(EXECUTING["os.system"][0]), r"os\.system"),
    "an array as magic number": (lambda: tw.program(tw.numpy_array((2,), bytes(8))), "the magic number is missing"),
    "wrong magic": (lambda: tw.stream_head(tw.EMPTY_DICT, magic=7), "the magic number is missing"),
    "wrong version": (lambda: tw.stream_head(tw.EMPTY_DICT, version=1002), "version 1002 of torch's stream format"),
    "stream without storages": (lambda: tw.STREAM_HEAD, "cut short"),
    "stream keys are no list": (lambda: tw.STREAM_HEAD + tw.program(tw.EMPTY_DICT), "the list of storages is a dict"),
    "stream lacks a storage": (lambda: tw.STREAM_HEAD + tw.program(tw.EMPTY_LIST), "storage '0' is used by a tensor"),
    "stream lists an unknown storage": (
        lambda: tw.STREAM_HEAD + tw.program(tw.list_of(tw.text("1"))) + ONE_BLOCK,
        "names '1', which no tensor uses",
    ),
    "stream lists a storage twice": (
        lambda: tw.STREAM_HEAD + tw.program(tw.list_of(tw.text("0"), tw.text("0"))) + ONE_BLOCK * 2,
        "or which came before",
    ),
    "stream lists a number": (lambda: tw.STREAM_HEAD + tw.program(tw.list_of(b"K\x00")) + ONE_BLOCK, "names 0"),
    "stream counts otherwise": (
        lambda: tw.stream_file(tw.dict_of({"w": tw.WEIGHT}), [("0", 2, bytes(8))]),
        "its own count differs",
    ),
    "stream counts negatively": (
        lambda: tw.stream_file(tw.dict_of({"w": tw.WEIGHT}), [("0", -1, bytes(4))]),
        "its own count",
    ),
    "stream storage cut": (lambda: SOUND_STREAM[:-1], "cut short: storage '0' has 3 of 4 bytes"),
    "stream count cut": (lambda: SOUND_STREAM[:-6], "cut short"),
    "zip cut": (lambda: SOUND_ZIP[:-30], "damaged or unusual zip archive"),
    "zip of nothing known": (
        lambda: tw.zip_of([("readme.txt", b"hello")]),
        "neither torch's .* nor NumPy's .*'readme.txt'",
    ),
    "zip with two data.pkl": (
        lambda: tw.zip_of([("a/data.pkl", tw.program(b"]")), ("b/data.pkl", tw.program(b"]"))]),
        "exactly one data.pkl; this one has 2",
    ),
    "zip with the same member twice": (duplicate_members, "two members named 'a/data.pkl'"),
    "zip encrypted": (lambda: zip_flags(SOUND_ZIP, 1), "is encrypted"),
    "zip by bzip2": (
        lambda: tw.zip_of([("a/data.pkl", tw.program(b"]"))], zipfile.ZIP_BZIP2),
        "compressed by method 12",
    ),
    "zip by an unknown method": (lambda: zip_flags(SOUND_ZIP, 0, 99), "compressed by method 99"),
    "zip checksum": (lambda: patched(SOUND_ZIP, tw.ONE["0"], b"\0\0\0@"), "Bad CRC-32"),
    "zip storage size": (
        lambda: member_size(SOUND_ZIP, "archive/data/0", 1 << 30),
        "must have 4 bytes; the archive holds 1073741824",
    ),
    "zip pickle size": (lambda: member_size(SOUND_ZIP, "archive/data.pkl", 1 << 31), "has 2147483648 bytes; the limit"),
    "zip pickle longer than present": (
        lambda: member_size(SOUND_ZIP, "archive/data.pkl", 1 << 20),
        "cut short: 1048576 bytes announced|damaged",
    ),
    "zip byte order": (lambda: tw.zip_file(tw.EMPTY_DICT, byteorder=b"middle"), "byte order is b'middle'"),
    "zip byte order too long": (lambda: tw.zip_file(tw.EMPTY_DICT, byteorder=bytes(1000)), "the limit is 16"),
    "TorchScript": (
        lambda: tw.zip_file(tw.EMPTY_DICT, **{"constants.pkl": b"", "code/x.py": b""}),
        "a TorchScript program",
    ),
    "zip bomb as pickle": (lambda: tw.deflated(("a/data.pkl", bytes(BOMB_BYTES))), "the limit is 33554432"),
    "zip bomb as storage": (
        lambda: tw.deflated(("a/data.pkl", tw.program(bomb(1))), ("a/data/0", bytes(BOMB_BYTES))),
        "member 'a/data/0' would bring the memory asked for to",
    ),
    "zip bomb as tensor": (
        lambda: tw.deflated(
            ("a/data.pkl", tw.program(bomb(BOMB_BYTES))),
            ("a/data/0", bytes(BOMB_BYTES)),
        ),
        "would bring the memory asked for to",
    ),
    "npz of objects": (lambda: tw.saved(w=np.array([{}, os.system])), r"not of numbers or bool: .*\|O"),
    "npz of text": (lambda: tw.saved(w=np.array(["a"])), "not of numbers or bool: .*<U1"),
    "npz of records": (lambda: tw.saved(w=np.zeros(1, [("a", "f4")])), "not of numbers or bool"),
    "npz header claims more": (lambda: npz(npy_header(shape="(3,)")), "array 'w.npy' must have .* bytes by its header"),
    "npz header claims less": (lambda: npz(npy_header(shape="(1,)")), "array 'w.npy' must have .* bytes by its header"),
    "npz header claims 2**60": (lambda: npz(npy_header(shape=f"({1 << 60},)")), r"has shape \(1152921504606846976,\)"),
    "npz shape overflows": (lambda: npz(npy_header(shape="(99999999999, 99999999999)")), "number of elements of shape"),
    "npz shape of many digits": (lambda: npz(npy_header(shape="(" + "9" * 9000 + ",)")), "has shape"),
    "npz shape of commas": (lambda: npz(npy_header(shape="(,,)")), "has shape"),
    "npz shape of many axes": (lambda: npz(npy_header(shape="(" + "1, " * 40 + ")")), "has shape"),
    "npz negative shape": (lambda: npz(npy_header(shape="(-2,)")), "not of numbers or bool"),
    "npz shape is a call": (lambda: npz(npy_header(shape=f"open('{CANARY}', 'w')")), "not of numbers or bool"),
    "npz header nested": (lambda: npz(npy_header(shape="(" * 9000)), "not of numbers or bool"),
    "npz header is a pickle": (lambda: npz(EXECUTING["os.system"][0]), "not of numbers or bool"),
    "npz header too long": (lambda: npz(npy_header().ljust(20_000)), "a header of 20[0-9]* bytes"),
    "npz header cut": (lambda: tw.zip_of([("w.npy", b"\x93NUMPY\x01\x00\xff\x00{")]), "not of numbers or bool"),
    "npz element type": (lambda: npz(npy_header(descr="'<f16'")), "not of numbers or bool"),
    "npz version": (lambda: npz(npy_header(), magic=b"\x93NUMPY\x09\x00"), "is not an array"),
    "npz member is no array": (lambda: tw.zip_of([("w.npy", b"hello")]), "is not an array: it starts with b'hello'"),
    "npz member is empty": (lambda: tw.zip_of([("w.npy", b"")]), "is not an array"),
    "npz bomb": (
        lambda: npz(npy_header(shape=f"({BOMB_BYTES // 4},)"), bytes(BOMB_BYTES), compression=zipfile.ZIP_DEFLATED),
        "array 'w.npy' would bring the memory asked for to 4",
    ),
    "npz bomb in parts": (
        lambda: tw.deflated(*((f"{number}.npy", part_of_a_bomb()) for number in range(9))),
        "array '8.npy' would bring the memory asked for to 36",
    ),
    "npz checksum": (lambda: patched(tw.saved(w=np.array([1.5])), struct.pack("<d", 1.5), bytes(8)), "Bad CRC-32"),
}


@pytest.mark.parametrize("case", FILES)
def test_broken_files(tmp_path, monkeypatch, case):
    make, expected = FILES[case]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    path.write_bytes(make())
    assert re.search(expected, refusal(path))
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_directories_and_devices(tmp_path):
    assert "a directory or device" in refusal(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
        assert "a directory or device" in refusal(tmp_path / "pipe")


def test_the_budget_grows_with_the_file(tmp_path):
    """A large file may hold what a small one may not."""
    count = bounds.SMALL_BYTES // 4
    code = tw.tensor(tw.storage("0", count // 4), (2, count // 4), (0, 1))
    path = tmp_path / "large"
    path.write_bytes(tw.zip_file(code, {"0": bytes(count)}))
    assert load_object(path).shape == (2, count // 4)
