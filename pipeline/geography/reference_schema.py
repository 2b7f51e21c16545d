"""Schema of the reference tables: keys, columns and allowed values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from math import inf, isfinite
from typing import Literal

from pipeline.geography.variables import VARIABLES

AREAS = "areas.geojson"
"""Areas of the cities' messages; each of its features is read as a row."""
EVERY_CITY = "default"
"""City of the rows of cost_loss.csv and alert_rules.csv for every city without its own."""
LONGEST_ACTION = 200
"""Most characters of a city's own text in actions.csv: one sentence."""
TRANSLATIONS = ("km", "lo", "th", "vi", "my", "zh")
"""Languages of the messages beside English."""
NAMED = {"city": "cities.csv", "station": "stations.csv"}
"""Table of the places of each kind in names.csv."""
Row = Mapping[str, str]
"""Cells of one row by column."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE][+-]?[0-9]{1,2})?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")
_DAY = re.compile(r"[0-9]{4}(-[0-9]{2}-[0-9]{2})?")


@dataclass(frozen=True)
class Column:
    """Allowed values of one column.

    Parameters
    ----------
    kind
        ``flag`` is ``true`` or ``false``.
    lowest, highest, strict
        Bounds of numbers, and whether the bounds themselves are out.
    choices
        Values that are allowed; empty for any.
    names
        File of the table whose first key column must hold the value.
    pattern
        Regular expression that a whole cell must match; empty for any text.
    several
        Whether a cell holds several words, parted by blanks.
    optional
        Whether a cell may be empty; a column of such cells may be left out.
    """

    kind: Literal["text", "number", "integer", "flag"] = "text"
    lowest: float = -inf
    highest: float = inf
    strict: bool = False
    choices: tuple[str, ...] = ()
    names: str = ""
    pattern: str = ""
    several: bool = False
    optional: bool = False

    def split_words(self, cell: str) -> list[str]:
        """List the values that a cell holds; none where it is empty."""
        return cell.split() if self.several or not cell else [cell]

    def describe_expected(self, cell: str) -> str:
        """Describe the value expected in place of a cell; empty where the cell is right.

        Examples
        --------
        >>> Column("number", 0.0, 1.0).describe_expected("25")
        'a number from 0 to 1'
        >>> Column(choices=("V", "M")).describe_expected("V")
        ''
        """
        if not cell:
            return "" if self.optional else "a value"
        choices = ("true", "false") if self.kind == "flag" else self.choices
        if choices and not set(self.split_words(cell)) <= set(choices):
            return f"one of {', '.join(choices)}"
        if self.kind not in {"number", "integer"}:
            return self._describe_expected_text(cell)
        digits = _INTEGER if self.kind == "integer" else _NUMBER
        value = float(cell) if digits.fullmatch(cell) else inf
        at_bound = self.strict and value in {self.lowest, self.highest}
        if isfinite(value) and self.lowest <= value <= self.highest and not at_bound:
            return ""
        names = ("above", "below") if self.strict else ("from", "to")
        bounds = zip(names, (self.lowest, self.highest), strict=True)
        limits = [f" {name} {bound:g}" for name, bound in bounds if isfinite(bound)]
        return f"{'an integer' if self.kind == 'integer' else 'a number'}{''.join(limits)}"

    def _describe_expected_text(self, cell: str) -> str:
        if any(unicodedata.category(sign) == "Cc" for sign in cell):
            return "text without control characters"
        return "" if re.fullmatch(self.pattern or ".*", cell) else f"text like {self.pattern}"


@dataclass(frozen=True)
class Table:
    """Columns and key of one table.

    Parameters
    ----------
    key
        Columns of the key: of rows with the same key the newest counts.
    columns
        All columns but ``as_of``, which every table may have.
    by, bounds, units, needs
        Column whose value tells what the columns ``value`` and ``unit`` may hold: lowest and
        highest by that value, and the units; and which optional column must be filled.
    """

    key: tuple[str, ...]
    columns: Mapping[str, Column]
    by: str = ""
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    units: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)

    def find_faults(self, row: Row) -> Iterator[str]:
        """Find the faults of a row's cells, each with the expected and the found value."""
        if row["as_of"] and first_day(row["as_of"]) is None:
            yield f"as_of: expected a year or a date as 2026-05-01, found {row['as_of']!r}"
        for name, column in self.columns.items():
            expected = column.describe_expected(row[name])
            if not expected and name == "value" and row.get(self.by, "") in self.bounds:
                bounded = Column("number", *self.bounds[row[self.by]])
                if expected := bounded.describe_expected(row[name]):
                    expected = f"{expected} for {row[self.by]}"
            allowed = self.units.get(row.get(self.by, ""), ()) if name == "unit" else ()
            if not expected and allowed and row[name] not in allowed:
                expected = f"{' or '.join(allowed)} for {row[self.by]}"
            kind = row.get(self.by, "")
            if not expected and not row[name] and self.needs.get(kind) == name:
                expected = f"a value for {kind}"
            if expected:
                yield f"{name}: expected {expected}, found {row[name]!r}"


def first_day(as_of: str) -> date | None:
    """Return the first day of a year or a date; None where the text is neither.

    Examples
    --------
    >>> first_day("2026"), first_day("2026-05-01"), first_day("May 2026")
    (datetime.date(2026, 1, 1), datetime.date(2026, 5, 1), None)
    """
    if not _DAY.fullmatch(as_of):
        return None
    try:
        return date.fromisoformat(f"{as_of}-01-01" if len(as_of) == 4 else as_of)
    except ValueError:
        return None


_TEXT, _NOTE, _FLAG = Column(), Column(optional=True), Column("flag")
_ID = Column(pattern=rf"(?!{EVERY_CITY}$|.{{65}})[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
"""Names of files are made of it."""
_CITY_ID = Column(pattern=rf"(?![A-Za-z]{{2}}$){_ID.pattern}")
"""Two letters are a country: both have a feed of their own in one folder."""
_NAME = Column(pattern=r"[^=+@\s-].*")
"""What a spreadsheet does not take for a formula."""
_COUNTRY = Column(pattern="[A-Z]{2}")
_DEGREE, _DAYS = Column(choices=("degree",)), Column(choices=("d",))
_FLOW = Column(choices=("m3/s", "m3 s-1"))
_VALUE = Column("number")
_LAT, _LON = Column("number", -90.0, 90.0), Column("number", -180.0, 180.0)
_STATION = Column(names="stations.csv")
_MAYBE_STATION = Column(names="stations.csv", optional=True)
_MAYBE_BASIN = Column(names="basins.csv", optional=True)
_SOURCE = {"source": _TEXT, "verified": Column(choices=("V", "M"))}
_FIGURE = {"value": _VALUE, "unit": _TEXT, **_SOURCE}
_STAGE = (VARIABLES["stage"].valid_min, VARIABLES["stage"].valid_max)
_HIGHEST_FLOW = VARIABLES["discharge"].valid_max
_KINDS = ("alarm", "flood", "bao_dong_2")
_RULE_UNITS = {
    "watch_rain_years": ("year",), "extreme_years": ("year",), "drought_p": ("1",),
    "raise_margin": ("1",), "raise_runs": ("run",), "lower_factor": ("1",), "lower_runs": ("run",),
    "drought_lower_runs": ("run",),
    "lower_m": ("m",), "step_down_m": ("m",), "clear": ("h",), "adjacent": ("h",),
    "stale": ("h",), "forget": ("h",),
}  # fmt: skip
_RULES = {
    "watch_rain_years": (1.0, 1000.0), "extreme_years": (1.0, 1000.0), "drought_p": (0.0, 1.0),
    "raise_margin": (0.0, 1.0), "raise_runs": (1.0, 10.0), "lower_factor": (0.0, 1.0),
    "lower_runs": (1.0, 10.0), "drought_lower_runs": (1.0, 60.0), "lower_m": (0.0, 5.0),
    "step_down_m": (0.0, 5.0), "clear": (1.0, 240.0), "adjacent": (1.0, 240.0),
    "stale": (1.0, 240.0), "forget": (1.0, 720.0),
}  # fmt: skip
"""Rules of the alert levels in alert_rules.csv, with the bounds of their values."""

TABLES: dict[str, Table] = {
    "stations.csv": Table(("code",), {
        "code": _ID, "name": _NAME, "river": _NAME, "country": _COUNTRY, "tidal": _FLAG,
        "upstream": Column(names="stations.csv", several=True, optional=True),
        "basin": Column(names="basins.csv"), "replaced_by": _MAYBE_STATION, "note": _NOTE,
    }),
    "station_figures.csv": Table(("station", "quantity"), {
        "station": _STATION,
        "quantity": Column(choices=("latitude", "longitude", "catchment_area", "gauge_zero")),
        **_FIGURE,
    }, by="quantity", bounds={
        "latitude": (-90.0, 90.0), "longitude": (-180.0, 180.0),
        "catchment_area": (0.0, 1e6), "gauge_zero": (-20.0, 6000.0),
    }, units={
        "latitude": ("degrees_north", "degree"), "longitude": ("degrees_east", "degree"),
        "catchment_area": ("km2",),
        "gauge_zero": ("m amsl", "m"),
    }),
    "thresholds.csv": Table(("station", "kind"), {
        "station": _STATION, "kind": Column(choices=_KINDS), **_FIGURE,
    }, by="kind", bounds=dict.fromkeys(_KINDS, _STAGE),
        units=dict.fromkeys(_KINDS, ("m above gauge zero", "m"))),
    "cost_loss.csv": Table(("city", "level", "quantity"), {
        "city": Column(names="cities.csv"),
        "level": Column(choices=("watch", "warning", "emergency")),
        "quantity": Column(choices=("cost_loss_ratio", "false_alarm_budget")),
        **_FIGURE, "unit": Column(choices=("1",)),
        "value": Column("number", 0.0, 1.0, strict=True),
    }),
    "alert_rules.csv": Table(("city", "rule"), {
        "city": Column(names="cities.csv"), "rule": Column(choices=tuple(_RULES)), **_FIGURE,
    }, by="rule", bounds=_RULES, units=_RULE_UNITS),
    "flows.csv": Table(("station", "month", "kind"), {
        "station": _STATION, "month": Column("integer", 1, 12),
        "kind": Column(choices=("pmfm_6a", "pmfm_6c", "mean")),
        **_FIGURE, "unit": _FLOW, "value": Column("number", 0.0, _HIGHEST_FLOW, strict=True),
    }),
    "travel_times.csv": Table(("from_station", "to_station"), {
        "from_station": _STATION, "to_station": _STATION,
        "value_min": Column("number", 0.0, 30.0), "value_max": Column("number", 0.0, 30.0),
        "unit": _DAYS, **_SOURCE,
    }),
    "thaiwater.csv": Table(("id",), {
        "id": _ID, "code": _TEXT, "name": _NAME, "river": _NAME, "lat": _LAT, "lon": _LON,
        "station": _MAYBE_STATION, **_SOURCE,
    }),
    "cities.csv": Table(("id",), {
        "id": _CITY_ID, "name": _NAME, "country": _COUNTRY, "lat": _LAT, "lon": _LON,
        "unit": _DEGREE, **_SOURCE, "station": _MAYBE_STATION, "ascn": _FLAG, "in_basin": _FLAG,
        "basin": _MAYBE_BASIN,
        "hazards": Column(choices=("river", "tidal", "pluvial", "drought"), several=True),
        "utc_offset_h": Column("number", -12.0, 14.0),
        "iso_3166_2": Column(pattern="[A-Z]{2}-[A-Z0-9]{1,3}", optional=True),
        "facing": Column(names="cities.csv", optional=True), "note": _NOTE,
    }),
    AREAS: Table(("city",), {"city": Column(names="cities.csv"), "polygon": _TEXT}),
    "basins.csv": Table(("basin",), {
        "basin": _ID, "name": _NAME, "outlet_station": _MAYBE_STATION,
        "downstream": _MAYBE_BASIN, "area_km2": Column("number", 0.0, 1e6, strict=True),
        "travel_time_d": Column("number", 0.0, 30.0), "reach": _TEXT,
    }),
    "names.csv": Table(("kind", "id", "language"), {
        "id": _ID, "kind": Column(choices=tuple(NAMED)), "language": Column(choices=TRANSLATIONS),
        "name": _NAME, "source": _TEXT, "confidence": Column(choices=("high", "medium", "low")),
        "reviewed": _FLAG,
    }),
    "actions.csv": Table(("city", "hazard", "level", "language"), {
        "city": Column(names="cities.csv"), "hazard": Column(choices=("flood", "drought")),
        "level": Column(choices=("watch", "warning", "emergency")),
        "language": Column(choices=("en", *TRANSLATIONS)),
        "text": Column(pattern=rf"(?=.{{1,{LONGEST_ACTION}}}$)[^=+@\s-].*"), "source": _TEXT,
    }),
    "impacts.csv": Table(("city", "kind", "stage_m", "language"), {
        "city": Column(names="cities.csv"), "kind": Column(choices=("impact", "crest")),
        "stage_m": Column("number", -5.0, 100.0), "language": Column(choices=("en", *TRANSLATIONS)),
        "text": Column(pattern=rf"(?=.{{1,{LONGEST_ACTION}}}$)[^=+@\s-].*", optional=True),
        "depth": Column(choices=("ankle", "knee", "waist"), optional=True),
        "year": Column("integer", 1800, 2200, optional=True), **_SOURCE,
    }, by="kind", needs={"impact": "text", "crest": "year"}),
    "report_numbers.csv": Table(("number",), {
        "number": Column(pattern="[1-9][0-9]"), "city": Column(names="cities.csv"),
    }),
    "geoglows_rivers.csv": Table(("city",), {
        "city": Column(names="cities.csv"), "river_id": Column("integer", 0), **_SOURCE,
    }),
}  # fmt: skip
"""Tables of ``data/reference`` by the name of their file."""
