"""Files of several parts: the members of an archive, the sheets of a workbook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauges.series import merge_series

READINGS = (
    ".csv", ".txt", ".tsv", ".csv.gz", ".txt.gz", ".tsv.gz", ".zip", ".xlsx", ".json", ".xml",
    ".wml",
)  # fmt: skip
"""Suffixes, in lower case, of files that may hold readings."""


def explain_passed_over(name: str) -> str | None:
    """Explain why a file of this name holds no readings; None where it may hold some."""
    if name.lower().endswith(READINGS):
        return None
    return f"not a file of readings ({', '.join(READINGS)})"


def read_parts(
    path: Path,
    parts: Iterable[tuple[str, Callable[[], pd.DataFrame]]],
    *,
    expected: str,
    remarks: Iterable[str] = (),
) -> pd.DataFrame:
    """Read the parts of a file as if they were separate files of one folder.

    Parameters
    ----------
    path
        File.
    parts
        Name and reader of each part.
    expected
        Expected content of the file, for the message.
    remarks
        Remarks on the whole file.

    Returns
    -------
    pandas.DataFrame
        As of :func:`pipeline.sources.gauges.gauge_files.read`, with the column ``part``, the name
        of the part of each reading.

    Raises
    ------
    Skipped
        All parts are of a kind that the pipeline does not use.
    BadGranule
        No part can be read, or they are of different origins.
    """
    tables, bad_rows, all_remarks = list[pd.DataFrame](), list[str](), list(remarks)
    skipped_parts, origins = list[str](), set[str]()
    for name, read_part in parts:
        try:
            table = read_part()
        except Skipped as skipped:
            skipped_parts.append(str(skipped))
            continue
        except BadGranule as bad:
            bad_rows.append(f"{name}: expected {bad.expected}, found {bad.found}")
            continue
        origins.add(table.attrs["origin"])
        bad_rows.extend(f"{name}: {line}" for line in table.attrs["bad_rows"])
        all_remarks.extend(f"{name}: {line}" for line in table.attrs["said"])
        table.attrs = {}
        tables.append(table.assign(part=name))
    if not tables:
        if skipped_parts and not bad_rows:
            raise Skipped(f"{path.name}: {'; '.join(skipped_parts)}")
        raise BadGranule(path, expected=expected, found="; ".join(bad_rows[:5]) or "none")
    if len(origins) > 1:
        raise BadGranule(path, expected="files of one origin", found=" and ".join(sorted(origins)))
    frame = merge_series(path, tables, bad_rows=bad_rows, remarks=[*all_remarks, *skipped_parts])
    frame.attrs["origin"] = origins.pop()
    return frame
