"""Tables of readings in text, and their values by time, shared by the tests of tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.sources.portal_exports import NAME, make_export, make_row

PLAIN = "station,variable,time,value,unit"
THREE = {"08-18 00:00": 9.1, "08-19 00:00": 9.4, "08-20 00:00": 9.8}
"""Values of three mornings, as of :func:`values`."""


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file of a text or of bytes."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def plain(*rows: str, heading: str = PLAIN) -> str:
    """Table of the plain layout."""
    return "\n".join([heading, *rows]) + "\n"


def day(number: int, value: object = 9.5, unit: str = "m") -> str:
    """Row of the plain layout: a stage of Pakse on a morning of August 2026."""
    return f"013901,stage,2026-08-{number:02d}T07:00:00+07:00,{value},{unit}"


def export(*rows: tuple[str, object]) -> str:
    """Export of the portal of stamps and values."""
    return make_export(*(make_row(stamp, value) for stamp, value in rows))


def values(frame: pd.DataFrame) -> dict[str, float]:
    """Values by time; for files of one series without conflicts."""
    frame = frame.dropna(subset="value")
    stamps = frame["valid_time"].dt.strftime("%m-%d %H:%M")
    return dict(zip(stamps, frame["value"].round(6).tolist(), strict=True))


def notes(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Bad rows and remarks of a file."""
    return frame.attrs["bad_rows"], frame.attrs["said"]


def write_export(folder: Path, *rows: str, name: str = NAME) -> Path:
    """Write an export of the portal."""
    path = folder / name
    path.write_text(make_export(*rows), encoding="utf-8")
    return path


def text(folder: Path, name: str, *lines: str) -> Path:
    """Write a file of lines."""
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def readings(frame: pd.DataFrame, *columns: str) -> list[list[object]]:
    """Rows of a frame, times in words."""
    frame = frame.dropna(subset="value")
    formatted = frame.assign(valid_time=frame["valid_time"].dt.strftime("%Y-%m-%d %H:%M"))
    cells: list[list[object]] = formatted[list(columns)].to_numpy(dtype=object).tolist()
    return cells
