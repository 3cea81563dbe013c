"""Module: a part of a network that owns its parameters, its buffers and its own parts.

Nothing is registered behind the reader's back: an attribute that holds a Parameter is a parameter, one that holds a
Module is a child, one made by `register_buffer` is a buffer, in the order in which they were first assigned.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from ..autograd import tracer
from ..tensor import Tensor

StateDict = dict[str, np.ndarray]


class Parameter(Tensor):
    """A Tensor that training changes: assigned to an attribute of a Module, it is one of its parameters.

    data: anything `numpy.asarray` takes, copied.  It becomes float32 unless `dtype` says otherwise.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, dtype: Any = np.float32) -> None:
        super().__init__(np.array(data, dtype, order="C"), requires_grad)


class Misfits(NamedTuple):
    """Names in which a state dict and a module differ, by `Module.load_state_dict`."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class StateDictError(ValueError):
    """A state dict does not fit a module; the message lists every misfit, the attributes hold them.

    missing, unexpected: names; unfit: sentences about values of the wrong shape or kind.
    """

    def __init__(self, module: str, missing: list[str], unexpected: list[str], unfit: list[str]) -> None:
        self.module, self.missing, self.unexpected, self.unfit = module, missing, unexpected, unfit
        super().__init__(f"load_state_dict: {self.summary()}")

    def summary(self, most: int | None = None, separator: str = "\n  ") -> str:
        """The message, with at most so many misfits of each sort spelled out."""
        sorts = (("missing", self.missing), ("unexpected", self.unexpected), ("unfit", self.unfit))
        parts = [f"{title} ({len(names)}): {_some(names, most)}" for title, names in sorts if names]
        return separator.join([f"it does not fit {self.module}, which stays as it was", *parts])


class Module:
    """A network or a part of one: subclasses assign their parts in `__init__` and define `forward`.

    >>> from tinycnn import nn
    >>> class Twice(nn.Module):
    ...     def __init__(self, features):
    ...         self.first = nn.Linear(features, features)
    ...         self.second = nn.Linear(features, features)
    ...     def forward(self, x):
    ...         return self.second(self.first(x))
    >>> net = Twice(3)
    >>> [name for name, _ in net.named_parameters()]
    ['first.weight', 'first.bias', 'second.weight', 'second.bias']
    >>> net(np.zeros((2, 3), np.float32)).shape
    (2, 3)
    """

    training = True
    shown: ClassVar[tuple[str, ...]] = ()  # attributes that repr prints
    _buffers: tuple[str, ...] = ()

    def forward(self, *inputs: Any) -> Any:
        """The result for some inputs; subclasses define it, users call the module itself."""
        raise NotImplementedError(f"{type(self).__name__}: forward is not defined")

    def __call__(self, *inputs: Any) -> Any:
        """`forward`, for Tensors or arrays."""
        inputs = tuple([Tensor(x) if isinstance(x, np.ndarray) else x for x in inputs])
        note = tracer()
        return self.forward(*inputs) if note is None else note.inside(self, inputs)

    def register_buffer(self, name: str, value: Any) -> None:
        """Make `value` a Tensor that is saved and loaded with the parameters, but not trained.

        value: anything `numpy.asarray` takes, copied; its element type is kept.
        """
        setattr(self, name, Tensor(np.array(value, order="C")))
        self._buffers = (*self._buffers, name)

    # ---- what it holds
    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Modules that are attributes of this one, with their names."""
        return iter([(name, value) for name, value in vars(self).items() if isinstance(value, Module)])

    def children(self) -> Iterator[Module]:
        """Modules that are attributes of this one."""
        return (child for _, child in self.named_children())

    def _walk(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, each with its dotted path; a shared one comes once for each path."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}.{name}" if prefix else name)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module ("") and all below it, with their dotted paths, each once."""
        return _once(self._walk())

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def _own_parameters(self) -> Iterator[tuple[str, Tensor]]:
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Parameter))

    def _own_buffers(self) -> Iterator[tuple[str, Tensor]]:
        return ((name, getattr(self, name)) for name in self._buffers)

    def _named(self, own: Callable[[Module], Iterable[tuple[str, Tensor]]]) -> Iterator[tuple[str, Any]]:
        for path, module in self._walk():
            for name, value in own(module):
                yield f"{path}.{name}" if path else name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names, each once."""
        return _once(self._named(Module._own_parameters))

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (value for _, value in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their dotted names, each once."""
        return _once(self._named(Module._own_buffers))

    def buffers(self) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (value for _, value in self.named_buffers())

    # ---- what is done to all of it
    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` with each module below this one, then with this one."""
        for module in reversed(list(self.modules())):
            function(module)
        return self

    def train(self, mode: bool = True) -> Self:
        """Behave as in training (batch statistics, dropout), or not; for all modules below too."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Behave as in use: running statistics, no dropout."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let all parameters collect gradients, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, dtype: Any) -> Self:
        """Hold parameters and floating-point buffers as float32 or float64, and forget their gradients.

        Raises TypeError for another element type.
        """
        dtype = np.dtype(dtype)
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"to: dtype must be float32 or float64, got {dtype}")
        for value in (*self.parameters(), *self.buffers()):
            if value.dtype.kind == "f":
                value.data, value.grad = value.data.astype(dtype, copy=False), None
        return self

    # ---- state
    def _state(self) -> Iterator[tuple[str, Tensor]]:
        return self._named(lambda module: (*module._own_parameters(), *module._own_buffers()))

    def state_dict(self) -> StateDict:
        """Copies of all parameters and buffers by name, in torch's order: a module's own first, then its children's."""
        return {name: value.data.copy() for name, value in self._state()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Misfits:
        """Copy values by name into the parameters and buffers, whose arrays stay the same objects.

        state: name -> anything `numpy.asarray` makes numbers of; they are cast to the element type held here.
        strict: every name must occur on both sides; otherwise those that do not are only returned.

        Raises StateDictError, which lists every misfit, and changes nothing, unless all fits.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict: state must map names to arrays, got {type(state).__name__}; "
                            "tinycnn.load reads one from a file")
        own = dict(self._state())
        missing = [name for name in own if name not in state]
        unexpected = [str(name) for name in state if name not in own]
        values, unfit = {}, []
        for name in own.keys() & state.keys():
            try:
                values[name] = _fitting(own[name], state[name])
            except (TypeError, ValueError, RuntimeError) as error:
                unfit.append(f"{name} {error}")
        if unfit or (strict and (missing or unexpected)):
            raise StateDictError(type(self).__name__, missing, unexpected, sorted(unfit))
        for name, value in values.items():
            own[name].data[...] = value
        return Misfits(missing, unexpected)

    # ---- how it prints
    def __repr__(self) -> str:
        own = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.shown)
        parts = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        return f"{type(self).__name__}({own}" + "".join(f"\n  {part}" for part in parts) + ("\n)" if parts else ")")


def _once(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Pairs whose value did not come before."""
    seen: set[int] = set()
    for name, value in named:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _some(names: list[str], most: int | None) -> str:
    """At most so many names, and how many are left out."""
    rest = len(names) - len(names[:most])
    return ", ".join(names[:most]) + (f", and {rest} more" if rest else "")


def _fitting(held: Tensor, value: Any) -> np.ndarray:
    """`value` as an array that can be copied into `held`; an exception says what is wrong with it."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"holds {array.dtype}, expected numbers")
    if array.shape != held.shape:
        raise ValueError(f"has shape {array.shape}, expected {held.shape}")
    return array.astype(held.dtype)
