"""Layouts of gauge files that the first bytes show, a row each; all other files are tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

import pandas as pd

from pipeline.sources.base import BadGranule
from pipeline.sources.gauges.answers import read_json
from pipeline.sources.gauges.decoding import abbreviate, decode_xml, read_content
from pipeline.sources.gauges.fews_pi import NAMESPACE, read_pi_xml
from pipeline.sources.gauges.waterml import read_waterml

_UTF16_JSON = tuple(
    f"{mark}{sign}".encode(code)
    for mark in ("\ufeff", "") for sign in "{[" for code in ("utf-16-le", "utf-16-be")
)  # fmt: skip
_UTF16_XML = tuple("\ufeff<".encode(code) for code in ("utf-16-le", "utf-16-be"))


class Layout(NamedTuple):
    """A layout that the first bytes of a file show.

    Parameters
    ----------
    fits
        Returns whether the first 4096 bytes, without byte order mark and leading blanks, are of
        this layout.
    read
        Returns the canonical readings of a file, as of
        :func:`pipeline.sources.gauges.gauge_files.read`.
    """

    fits: Callable[[bytes], bool]
    read: Callable[[Path], pd.DataFrame]


def _is_json(head: bytes) -> bool:
    return head.startswith((b"{", b"[", *_UTF16_JSON))


def _is_xml(head: bytes) -> bool:
    namespaces = (b"opengis.net/", b"fews/PI")
    return head.startswith((b"<?xml", *_UTF16_XML)) or any(name in head for name in namespaces)


def _is_old_workbook(head: bytes) -> bool:
    return head.startswith(b"\xd0\xcf\x11\xe0")


def _read_xml(path: Path) -> pd.DataFrame:
    """Read XML of Delft-FEWS, or WaterML 2.0."""
    root = decode_xml(path, read_content(path))
    if root.tag in {"TimeSeries", f"{{{NAMESPACE}}}TimeSeries"}:
        return read_pi_xml(path, root)
    if next(root.iter("{http://www.opengis.net/om/2.0}OM_Observation"), None) is None:
        raise BadGranule(
            path, expected="WaterML 2.0 or a series of Delft-FEWS", found=abbreviate(root.tag)
        )
    return read_waterml(path, root)


def _refuse_old_workbook(path: Path) -> NoReturn:
    raise BadGranule(path, expected="a workbook saved as .xlsx, or CSV", found="an old .xls")


LAYOUTS = (
    Layout(_is_json, read_json),
    Layout(_is_xml, _read_xml),
    Layout(_is_old_workbook, _refuse_old_workbook),
)
"""Layouts in the order of trial; a file of none of them is a table, identified by its heading:
:func:`~pipeline.sources.gauges.tables.read_table`."""
