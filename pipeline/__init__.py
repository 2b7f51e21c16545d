"""Flood and drought early warning for the cities of the Mekong.

For notebooks (docs/python.md)::

    import pipeline as mekong

    night = mekong.open("2026-08-20")
    cases = mekong.issued("2026-06-01", "2026-08-20")
    season = mekong.hindcast("2025-06-01", "2025-10-31", ["Pakse"])

``open`` is :func:`pipeline.nights.night.open_night`, ``issued`` is
:func:`pipeline.nights.issued_forecasts.read_issued`, ``hindcast`` is
:func:`pipeline.nights.hindcasts.hindcast`; all are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.nights.hindcasts import hindcast
    from pipeline.nights.issued_forecasts import read_issued as issued
    from pipeline.nights.night import open_night as open  # noqa: A004  (mekong.open)

__all__ = ["hindcast", "issued", "open"]

_LAZY = {
    "hindcast": ("pipeline.nights.hindcasts", "hindcast"),
    "issued": ("pipeline.nights.issued_forecasts", "read_issued"),
    "open": ("pipeline.nights.night", "open_night"),
}


def __getattr__(name: str) -> Any:
    """Import what notebooks call, when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, function = _LAZY[name]
    return getattr(import_module(module), function)


def __dir__() -> list[str]:
    """Names of the module, those that are imported late too."""
    return sorted({*globals(), *_LAZY})
