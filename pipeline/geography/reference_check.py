"""Check a folder of an agency's own rows of the reference tables and describe its effect."""

from __future__ import annotations

from pathlib import Path

from pipeline.geography.places import regions_of
from pipeline.geography.reference_tables import BadReference, Entry, Finding, ReferenceTables
from pipeline.settings import REFERENCE


def check_reference(folder: Path) -> list[Finding]:
    """Check a folder of an agency's own rows without using them.

    Parameters
    ----------
    folder
        Tables as those of ``data/reference``, with the agency's rows alone.

    Returns
    -------
    list of Finding
        All faults; without faults, the effect of each row.
    """
    try:
        tables = ReferenceTables(REFERENCE, folder)
    except BadReference as bad:
        return bad.findings
    return [
        Finding(entry.file, entry.line, _describe(key, entry, tables), wrong=False)
        for name in tables.agency
        for key, entries in tables.agency[name].items()
        for entry in entries
    ]


def _describe(key: tuple[str, ...], entry: Entry, tables: ReferenceTables) -> str:
    """Describe the effect of a row: what it replaces, from when, and the regions of a city."""
    known = key in tables.project.get(entry.file, {})
    does = "in place of the project's row" if known else "new"
    text = f"{', '.join(key)}: {does}"
    if entry.row["as_of"] and entry.since.year > 1:
        text += f" from {entry.since} on"
    if entry.file == "cities.csv":
        regions = regions_of(float(entry.row["lat"]), float(entry.row["lon"]))
        text += f", seen in {' and '.join(regions) or 'no region: it is outside of their grids'}"
    return text
