"""The error every reader raises, and the limits that every reader keeps.

A checkpoint comes from a stranger. Whatever its bytes say, reading it must end soon, in little memory, with arrays or
with a `CheckpointError`. Numbers that a file announces are therefore compared with the bytes really present before
they are used, and whatever a reader allocates on a file's word is charged to a `Budget`.
"""

from __future__ import annotations

MAX_PICKLE_BYTES = 32 << 20  # one pickle; that of a network with a thousand tensors takes 0.1 MB
MAX_STRING_BYTES = 16 << 20  # one string or bytes object inside a pickle
MAX_INTEGER_BYTES = 32  # one integer inside a pickle; torch's magic number takes 10
MAX_OPCODES = 1_000_000  # about 40 000 tensors, and about a second of interpretation
MAX_STACK = 200_000  # objects on the pickle machine's stack above the last mark
MAX_DEPTH = 256  # containers inside containers; CPython's own pickler stops near 500
MAX_NODES = 4_000_000  # objects in a structure when shared parts are counted each time they are met
MAX_DIMENSIONS = 32  # NumPy 1's limit
MAX_EXTENT = 1 << 48  # elements along one axis, and the product of all non-empty axes
SMALL_BYTES = 32 << 20  # a file of any size may ask for this much memory ...
MAX_EXPANSION = 16  # ... and beyond it for this many times its own size
OBJECT_BYTES = 256  # what a small Python object costs, roughly: charged, so that many tiny ones are bounded too

# NumPy's codes for the element types that are read and written: bool, integers, floating and complex numbers.
NUMBER_CODES = frozenset(("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"))

_SHOWN_CHARACTERS = 80


class CheckpointError(ValueError):
    """A weights file is damaged, hostile, or holds something that is not read here; the message says which."""

    __module__ = "tinycnn.serialize"  # where callers find it


class Budget:
    """What one file may make its reader allocate: at most `limit` bytes in all.

    >>> budget = Budget(1000)
    >>> budget.spend(600, "first array")
    >>> budget.spend(600, "second array")
    Traceback (most recent call last):
        ...
    tinycnn.serialize.CheckpointError: second array would bring the memory asked for to 1200 bytes; \
this file's limit is 1000
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.spent = 0

    @classmethod
    def for_file(cls, size: int) -> Budget:
        """The budget of a file of `size` bytes: generous for what real checkpoints do (a bfloat16 tensor doubles, tied
        weights are copied, zeros deflate well), far too small for a bomb."""
        return cls(max(SMALL_BYTES, MAX_EXPANSION * size))

    def spend(self, nbytes: int, what: str) -> None:
        """Charge `nbytes` for `what`; raise `CheckpointError` before the memory is taken if that is too much."""
        self.spent += nbytes
        if self.spent > self.limit:
            raise CheckpointError(
                f"{what} would bring the memory asked for to {self.spent} bytes; this file's limit is {self.limit}"
            )


def shown(value: object) -> str:
    """A short, printable form of something read from a file.

    Containers show their type only: printing one that is nested a million deep would recurse.

    >>> shown("a" * 1000)[:8], shown([[1]]), shown(3)
    ("'aaaaaaa", 'a list', '3')
    """
    if isinstance(value, str | bytes):
        return repr(value[:_SHOWN_CHARACTERS]) + ("..." if len(value) > _SHOWN_CHARACTERS else "")
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 1 << 64):
        return repr(value)
    return f"a {type(value).__name__}"


def equals(value: object, constant: str | int) -> bool:
    """`value == constant` for a value of unknown type: arrays compare element by element, deep tuples recurse."""
    return type(value) is type(constant) and value == constant
