"""What loss modules share."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..nn import Module


class Loss(Module):
    """A function of `tinycnn.functional` with its settings kept: `shown` names those that it takes as keywords."""

    function: ClassVar[Callable[..., Any]]  # a staticmethod
    _weights: ClassVar[tuple[str, ...]] = ()  # names of buffers that it takes as keywords too

    def keep_weight(self, name: str, value: Any) -> None:
        """Hold a weight as a buffer, which `to` turns to another element type, or None."""
        if value is None:
            setattr(self, name, None)
        else:
            self.register_buffer(name, np.asarray(value, np.float32))

    def forward(self, *inputs: Any) -> Any:
        """The function of the inputs, with the settings and weights."""
        settings = {name: getattr(self, name) for name in (*self.shown, *self._weights)}
        return type(self).function(*inputs, **settings)
