"""Modules that hold other modules by number."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .module import Module


class ModuleList(Module):
    """Modules in a list, named "0", "1", ...; it has no `forward` of its own.

    Raises TypeError for something that is not a Module.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> None:
        """Add one at the end."""
        setattr(self, str(len(self)), _checked(module, self))

    def __len__(self) -> int:
        return len(list(self.children()))

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, str(range(len(self))[index]), _checked(module, self))


class Sequential(ModuleList):
    """Modules that run one after the other, each on the result of the one before.

    named: modules that follow those, with names instead of numbers.

    >>> import numpy as np
    >>> from tinycnn import nn
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    >>> net(np.zeros((2, 4), np.float32)).shape
    (2, 3)
    >>> net
    Sequential(
      (0): Linear(in_features=4, out_features=3)
      (1): ReLU()
    )
    >>> [*nn.Sequential(conv=nn.Conv2d(3, 8, 1), act=nn.ReLU()).state_dict()]
    ['conv.weight', 'conv.bias']
    """

    def __init__(self, *modules: Module, **named: Module) -> None:
        super().__init__(modules)
        for name, module in named.items():
            setattr(self, name, _checked(module, self))

    def forward(self, x: Any) -> Any:
        """The last module's result."""
        for module in self:
            x = module(x)
        return x


def _checked(module: Any, holder: Module) -> Module:
    if not isinstance(module, Module):
        raise TypeError(f"{type(holder).__name__}: expected a Module, got {type(module).__name__}")
    return module
