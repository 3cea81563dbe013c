"""An interpreter for the harmless part of Python's pickle language.

A pickle is a program for a small stack machine (documented opcode by opcode in CPython's `Lib/pickletools.py`). The
standard `pickle` runs it with the power to import and call anything. This machine has no such power: a name in the
file is looked up in a table of our own (`World.find_global`), only `Constructor` objects from that table are ever
called, and attributes are set (BUILD) only through `World.build`. Opcodes that create instances of classes, sets,
shared buffers or registered extensions do not exist here, nor do protocol 0's text forms of numbers and strings.

Work and memory are bounded by `bounds`: opcodes, stack, marks, memo, strings, integers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tinycnn.serialize.bounds import (
    MAX_DEPTH,
    MAX_INTEGER_BYTES,
    MAX_OPCODES,
    MAX_STACK,
    MAX_STRING_BYTES,
    CheckpointError,
    shown,
)

_STOP = ord(".")
_NEWEST_PROTOCOL = 5
_MAX_NAME_BYTES = 256
_MAX_INTEGER_KEY = (1 << 61) - 1  # below the modulus of hash(int): no two keys collide, so a dict stays fast


@dataclass(frozen=True, slots=True, eq=False)
class Constructor:
    """A function that a pickle may call, under the name that the file knows it by."""

    name: str
    function: Callable[..., Any]
    fewest: int
    most: int

    def __call__(self, arguments: object) -> Any:
        if type(arguments) is not tuple:
            raise CheckpointError(f"{self.name} is called with {shown(arguments)} where a tuple must stand")
        if not self.fewest <= len(arguments) <= self.most:
            raise CheckpointError(
                f"{self.name} is called with {len(arguments)} arguments; expected {self.fewest} to {self.most}"
            )
        return self.function(*arguments)


class World(Protocol):
    """All that a pickle can reach outside its own stack. Every method raises `CheckpointError` to refuse."""

    def find_global(self, module: str, name: str) -> object:
        """The object that stands for `module.name`."""

    def persistent_load(self, identifier: object) -> object:
        """The object that the file stores outside the pickle under `identifier`."""

    def build(self, target: object, state: object) -> None:
        """Give `target`, an object made here, the attributes in `state`."""


class PickleMachine:
    """Runs the pickle that starts at `position` in `data`; `run` returns its value, then `position` is just past it."""

    def __init__(self, data: bytes, world: World, position: int = 0) -> None:
        self.data = data
        self.world = world
        self.position = position
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []  # the stacks below each MARK: pops never cross one
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Interpret up to STOP and return the object left on the stack."""
        try:
            for _ in range(MAX_OPCODES):
                opcode = self.take(1)[0]
                if opcode == _STOP:
                    return self.stack.pop()
                self._step(opcode)
        except IndexError:
            raise CheckpointError(f"pickle: an opcode before byte {self.position} finds the stack empty") from None
        raise CheckpointError(f"pickle: more than {MAX_OPCODES} opcodes")

    def _step(self, opcode: int) -> None:
        execute = _OPCODES.get(opcode)
        if execute is None:
            raise CheckpointError(f"pickle: opcode 0x{opcode:02x} at byte {self.position - 1} is not allowed")
        execute(self)
        if len(self.stack) > MAX_STACK:
            raise CheckpointError(f"pickle: more than {MAX_STACK} objects on the stack")

    # Reading the program

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self.position + count
        if end > len(self.data):
            left = len(self.data) - self.position
            raise CheckpointError(
                f"pickle: cut short: {count} bytes are wanted at byte {self.position}, {left} are left"
            )
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, layout: str) -> Any:
        """The next number, in `struct` notation."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def block(self, length_layout: str) -> bytes:
        """The next length-prefixed bytes."""
        length = self.number(length_layout)
        if not 0 <= length <= MAX_STRING_BYTES:
            raise CheckpointError(f"pickle: a string of {length} bytes; the limit is {MAX_STRING_BYTES}")
        return self.take(length)

    def text(self, length_layout: str) -> str:
        """The next length-prefixed UTF-8 string."""
        return _decode(self.block(length_layout))

    def line(self) -> str:
        """The next newline-terminated name."""
        end = self.data.find(b"\n", self.position, self.position + _MAX_NAME_BYTES)
        if end < 0:
            raise CheckpointError(f"pickle: a name at byte {self.position} does not end within {_MAX_NAME_BYTES} bytes")
        return _decode(self.take(end + 1 - self.position)[:-1])

    # Working on the stack

    def push(self, value: object) -> None:
        """Put `value` on the stack."""
        self.stack.append(value)

    def mark(self) -> None:
        """Start a group of objects."""
        if len(self.marks) >= MAX_DEPTH:
            raise CheckpointError(f"pickle: more than {MAX_DEPTH} nested marks")
        self.marks.append(self.stack)
        self.stack = []

    def pop_group(self) -> list[Any]:
        """Remove and return all objects since the last MARK."""
        group, self.stack = self.stack, self.marks.pop()
        return group

    def drop_group(self) -> None:
        """Remove all objects since the last MARK."""
        self.pop_group()

    def pop(self) -> None:
        """Drop the top object, or the MARK if it is on top."""
        if self.stack:
            self.stack.pop()
        else:
            self.drop_group()

    def push_tuple(self, count: int) -> None:
        """Replace the top `count` objects by a tuple of them."""
        items = [self.stack.pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    def long(self, length: int) -> None:
        """Push a little-endian two's complement integer of `length` bytes."""
        if not 0 <= length <= MAX_INTEGER_BYTES:
            raise CheckpointError(f"pickle: an integer of {length} bytes; the limit is {MAX_INTEGER_BYTES}")
        self.push(int.from_bytes(self.take(length), "little", signed=True))

    def extend(self, items: list[Any]) -> None:
        """Append `items` to the list on top."""
        if type(self.stack[-1]) is not list:
            raise CheckpointError(f"pickle: items are appended to {shown(self.stack[-1])}, not a list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        """Put key, value, key, value ... into the dict on top."""
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise CheckpointError(f"pickle: {len(items)} keys and values are put into {shown(target)}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value

    def set_item(self) -> None:
        """Put one key and value into the dict below them."""
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    # The memo: objects that the program names by number

    def remember(self, index: int) -> None:
        """Give the top object the number `index`."""
        if index > MAX_OPCODES:
            raise CheckpointError(f"pickle: memo index {index}; the limit is {MAX_OPCODES}")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        """Push the object numbered `index`."""
        if index not in self.memo:
            raise CheckpointError(f"pickle: memo index {index} was never stored")
        self.push(self.memo[index])

    # What reaches the world

    def push_global(self, module: object, name: object) -> None:
        """Push what stands for `module.name`."""
        if type(module) is not str or type(name) is not str:
            raise CheckpointError(f"pickle: a global is named by {shown(module)} and {shown(name)}")
        self.push(self.world.find_global(module, name))

    def stack_global(self) -> None:
        """As `push_global`, with the names on the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        self.push_global(module, name)

    def reduce(self) -> None:
        """Replace a constructor and its arguments by its result."""
        arguments, constructor = self.stack.pop(), self.stack.pop()
        if type(constructor) is not Constructor:
            raise CheckpointError(f"pickle: {shown(constructor)} is called as if it were a function")
        self.push(constructor(arguments))

    def build(self) -> None:
        """Give the object below the top the state on top."""
        state = self.stack.pop()
        self.world.build(self.stack[-1], state)

    def persistent(self) -> None:
        """Replace an identifier by the object it names."""
        self.push(self.world.persistent_load(self.stack.pop()))

    # Headers

    def protocol(self) -> None:
        """Check the protocol number."""
        version = self.number("<B")
        if version > _NEWEST_PROTOCOL:
            raise CheckpointError(f"pickle: protocol {version}; this reader knows protocols up to {_NEWEST_PROTOCOL}")

    def frame(self) -> None:
        """Check that an announced frame is present; frames mean nothing else here."""
        length = self.number("<Q")
        if length > len(self.data) - self.position:
            raise CheckpointError(f"pickle: a frame of {length} bytes; {len(self.data) - self.position} are left")


def checked_key(key: object) -> str | int:
    """`key` if a dict may have it. Others are refused: deep tuples recurse and huge integers collide in `hash`."""
    if type(key) is str or (type(key) is int and abs(key) < _MAX_INTEGER_KEY):
        return key
    raise CheckpointError(f"pickle: {shown(key)} is used as a dict's key; expected a string or an integer")


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CheckpointError(f"pickle: the string {shown(data)} is not UTF-8") from None


_Machine = PickleMachine  # a short name for the table below

_OPCODES: dict[int, Callable[[PickleMachine], None]] = {
    0x80: _Machine.protocol,  # PROTO
    0x95: _Machine.frame,  # FRAME
    # constants and numbers
    ord("N"): lambda m: m.push(None),  # NONE
    0x88: lambda m: m.push(True),  # NEWTRUE
    0x89: lambda m: m.push(False),  # NEWFALSE
    ord("K"): lambda m: m.push(m.number("<B")),  # BININT1
    ord("M"): lambda m: m.push(m.number("<H")),  # BININT2
    ord("J"): lambda m: m.push(m.number("<i")),  # BININT
    0x8A: lambda m: m.long(m.number("<B")),  # LONG1
    0x8B: lambda m: m.long(m.number("<i")),  # LONG4
    ord("G"): lambda m: m.push(m.number(">d")),  # BINFLOAT
    # strings; what Python 2 wrote as str is text here, as it is for torch
    ord("U"): lambda m: m.push(m.text("<B")),  # SHORT_BINSTRING
    ord("T"): lambda m: m.push(m.text("<i")),  # BINSTRING
    0x8C: lambda m: m.push(m.text("<B")),  # SHORT_BINUNICODE
    ord("X"): lambda m: m.push(m.text("<I")),  # BINUNICODE
    0x8D: lambda m: m.push(m.text("<Q")),  # BINUNICODE8
    ord("C"): lambda m: m.push(m.block("<B")),  # SHORT_BINBYTES
    ord("B"): lambda m: m.push(m.block("<I")),  # BINBYTES
    0x8E: lambda m: m.push(m.block("<Q")),  # BINBYTES8
    # the stack
    ord("("): _Machine.mark,  # MARK
    ord("0"): _Machine.pop,  # POP
    ord("1"): _Machine.drop_group,  # POP_MARK
    ord("2"): lambda m: m.push(m.stack[-1]),  # DUP
    # containers
    ord(")"): lambda m: m.push(()),  # EMPTY_TUPLE
    0x85: lambda m: m.push_tuple(1),  # TUPLE1
    0x86: lambda m: m.push_tuple(2),  # TUPLE2
    0x87: lambda m: m.push_tuple(3),  # TUPLE3
    ord("t"): lambda m: m.push(tuple(m.pop_group())),  # TUPLE
    ord("]"): lambda m: m.push([]),  # EMPTY_LIST
    ord("l"): lambda m: m.push(m.pop_group()),  # LIST
    ord("a"): lambda m: m.extend([m.stack.pop()]),  # APPEND
    ord("e"): lambda m: m.extend(m.pop_group()),  # APPENDS
    ord("}"): lambda m: m.push({}),  # EMPTY_DICT
    ord("s"): _Machine.set_item,  # SETITEM
    ord("u"): lambda m: m.update(m.pop_group()),  # SETITEMS
    # the memo
    ord("q"): lambda m: m.remember(m.number("<B")),  # BINPUT
    ord("r"): lambda m: m.remember(m.number("<I")),  # LONG_BINPUT
    0x94: lambda m: m.remember(len(m.memo)),  # MEMOIZE
    ord("h"): lambda m: m.recall(m.number("<B")),  # BINGET
    ord("j"): lambda m: m.recall(m.number("<I")),  # LONG_BINGET
    # the world outside
    ord("c"): lambda m: m.push_global(m.line(), m.line()),  # GLOBAL
    0x93: _Machine.stack_global,  # STACK_GLOBAL
    ord("R"): _Machine.reduce,  # REDUCE
    ord("b"): _Machine.build,  # BUILD
    ord("Q"): _Machine.persistent,  # BINPERSID
}
