"""What a person sees while a run goes on: a bar within the epoch, a line after it."""
from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Choice = bool | Literal["auto"]


class Progress:
    """Shows a run as `choice` says.

    True: a tqdm bar on standard error and a line per epoch, ImportError where tqdm is missing.  "auto": the bar only
    if standard error is a terminal and tqdm is there, the lines always.  False: nothing.
    """

    def __init__(self, choice: Choice) -> None:
        if choice not in (True, False, "auto"):
            raise ValueError(f"progress must be True, False or 'auto', got {choice!r}")
        self.lines = bool(choice)
        self.tqdm: Any = None
        if choice is True or (choice and sys.stderr.isatty()):
            try:
                self.tqdm = _tqdm()
            except ImportError as error:
                if choice is True:
                    raise
                print(error, file=sys.stderr)

    def bar(self, batches: Iterable[Any], title: str, total: int | None = None) -> Any:
        """The batches, counted as they are read, of `total` ones."""
        return batches if self.tqdm is None else self.tqdm(batches, desc=title, unit="batch", leave=False, total=total)

    def loss(self, bar: Any, value: float) -> None:
        """Show the mean loss so far."""
        if self.tqdm is not None:
            bar.set_postfix(loss=f"{value:.4f}", refresh=False)

    def line(self, title: str, row: Mapping[str, float]) -> None:
        """Show what an epoch came to."""
        if self.lines:
            text = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "epoch")
            print(f"{title}  {text}", flush=True)


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError('the progress bar needs tqdm, which is missing: pip install "tinycnn[train]"') from error
    return tqdm
