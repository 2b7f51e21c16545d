"""How far a step is: the callback that a step reports its progress to."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Callback that is called with what a step does, and how much of it is done."""

    def __call__(self, activity: str, done: int, total: int, /) -> None:
        """Report that ``done`` of ``total`` parts of an activity are done."""


def no_progress(_activity: str, _done: int, _total: int, /) -> None:
    """Progress callback that does nothing."""
