"""Remarks on what is missing, bad or doubtful: a code for programs, a text for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

RemarkCode = Literal[
    "providers_silent",
    "models_none",
    "models_damaged",
    "source_silent",
    "files_missing",
    "file_rejected",
    "file_suspect",
    "file_incomplete",
    "file_empty",
    "cells_out_of_range",
    "rows_bad",
    "readings_conflict",
    "readings_suspect",
    "gauge_unconfirmed",
    "gauge_conflict",
    "gauge_late",
    "gauge_silent",
    "gauge_never",
    "substitute_in_use",
    "substitute_unusable",
    "results_suspect",
    "results_out_of_range",
    "zone_new",
]
"""Kinds of remarks, as in the index of a published tree."""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """One remark.

    A text that names several gauges is that of one remark per gauge.

    Parameters
    ----------
    code
        Kind of remark.
    text
        The remark in plain words.
    source
        Id of the source that it is about; None where it is about none or several.
    station
        Code of the gauge that it is about; None where it is about none or several.
    time
        Valid time of the newest datum, file or result that it is about, aware; None where none is
        known.
    """

    code: RemarkCode
    text: str
    source: str | None = None
    station: str | None = None
    time: datetime | None = None


def list_texts(remarks: Iterable[Remark]) -> list[str]:
    """List the texts of remarks in their order, each once.

    Examples
    --------
    >>> text = "gauges: nothing has ever come from Pakse (013901), Kratie (014901)"
    >>> codes = "013901", "014901"
    >>> list_texts(Remark(code="gauge_never", text=text, station=code) for code in codes)
    ['gauges: nothing has ever come from Pakse (013901), Kratie (014901)']
    """
    return list(dict.fromkeys(remark.text for remark in remarks))
