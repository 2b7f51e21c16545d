"""Reference tables as of a moment, with an agency's own rows laid over those of the project.

Each table is read once in a process and validated. A row counts from its ``as_of`` on, and of rows
with the same key the newest counts: a change is a new row with a later date, so that earlier issues
can be replayed. A row without ``as_of`` counts from the beginning. So does the first row of a key
whose ``as_of`` is a year alone: it is the year in which a figure was published or looked up, not
the year since when it holds. From the day on which an agency's row counts it replaces the
project's.
"""

from __future__ import annotations

import csv
import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Point

from pipeline.geography.city_areas import read_features, read_row, to_polygon
from pipeline.geography.reference_schema import AREAS, EVERY_CITY, NAMED, TABLES, Row, first_day
from pipeline.settings import REFERENCE, Settings
from pipeline.times import from_utc64

OUTLINES = "basins.geojson"
"""Outlines of the sub-basins, the only map that figures are computed from."""
BESIDE = ("README.md", "README.txt", "messages")
"""Other entries that an agency's folder may have."""
COST_QUANTITIES = ("cost_loss_ratio", "false_alarm_budget")
"""Quantities of ``cost_loss.csv``, in the order of :func:`least_probability`."""
_EVER = date.min


@dataclass(frozen=True)
class Finding:
    """A fault of a table, or a remark on it.

    Parameters
    ----------
    file, line
        Place; line 0 is the file as a whole. The lines of a map are its features.
    text
        Description.
    wrong
        Whether it is a fault, with which the tables cannot be used.
    """

    file: str
    line: int
    text: str
    wrong: bool = True

    def __str__(self) -> str:
        """One line."""
        place = f" {_line_word(self.file)} {self.line}" if self.line else ""
        return f"{self.file}{place}: {self.text}"


def _line_word(file: str) -> str:
    return "feature" if file == AREAS else "line"


class BadReference(ValueError):  # noqa: N818
    """Tables cannot be used; the message has a line for each finding."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = sorted(
            findings, key=lambda finding: (finding.file, finding.line, finding.text)
        )
        super().__init__("\n".join(map(str, self.findings)))


@dataclass(frozen=True)
class Entry:
    """One row of a table, the first day on which it counts, and whether it is an agency's own."""

    row: Row
    file: str
    line: int
    since: date
    own: bool


Key = tuple[str, ...]
Layer = dict[str, dict[Key, list[Entry]]]
"""Entries of one folder by table and key, the newest last."""


class ReferenceTables:
    """All tables of the project, with the rows of an agency laid over them.

    Parameters
    ----------
    project
        Folder of the project's tables, all of which exist.
    agency
        Folder of an agency's own rows, of some of the tables.

    Raises
    ------
    BadReference
        A table does not fit its schema, or rows contradict each other.
    """

    def __init__(self, project: Path, agency: Path | None = None) -> None:
        findings: list[Finding] = []
        self.project = _read_layer(project, findings, own=False)
        self.agency = {} if agency is None else _read_layer(agency, findings, own=True)
        findings += [
            Finding(name, 0, "expected among the project's tables, found none")
            for name in TABLES if name not in self.project
        ]  # fmt: skip
        if agency is not None:
            findings += _find_unknown_files(agency)
        findings += self._find_unknown_names()
        self.outlines = (project / OUTLINES).read_bytes()
        self.changes = sorted(
            {
                entry.since
                for layer in (self.project, self.agency)
                for table in layer.values()
                for entries in table.values()
                for entry in entries
            }
            - {_EVER}
        )
        if not findings:
            days = (_EVER, *self.changes)
            findings += {finding for day in days for finding in _find_contradictions(self, day)}
        if findings:
            raise BadReference(findings)

    def edition(self, asof: datetime | None) -> Edition:
        """Return the tables as of a moment; see :func:`edition`."""
        if asof is None:
            return Edition(self, date.max)
        changes = bisect_right(self.changes, asof.astimezone(UTC).date())
        return Edition(self, self.changes[changes - 1] if changes else _EVER)

    def in_force(self, name: str, day: date) -> dict[Key, Entry]:
        """Entries of a table that count on a day, by key in the order of the files."""
        agency, project = self.agency.get(name, {}), self.project.get(name, {})
        entries = {}
        for key in project | agency:
            for versions in (agency.get(key, []), project.get(key, [])):
                counting = [entry for entry in versions if entry.since <= day]
                if counting:
                    entries[key] = counting[-1]
                    break
        return entries

    def _entries(self) -> Iterator[tuple[str, Entry]]:
        for layer in (self.agency, self.project):
            for name, table in layer.items():
                for entries in table.values():
                    yield from ((name, entry) for entry in entries)

    def _find_unknown_names(self) -> list[Finding]:
        """Find cells that name a row of another table that is not there."""
        known = {
            name: {key[0] for layer in (self.project, self.agency) for key in layer.get(name, {})}
            for name in TABLES
        }
        nameless = [
            Finding(entry.file, entry.line, f"id: expected a row of {places}, found {name!r}")
            for table, entry in self._entries()
            if table == "names.csv"
            and (name := entry.row["id"]) not in known[places := NAMED[entry.row["kind"]]]
        ]
        known["cities.csv"].add(EVERY_CITY)
        return nameless + [
            Finding(entry.file, entry.line, f"{column}: expected a row of {names}, found {word!r}")
            for table, entry in self._entries()
            for column, about in TABLES[table].columns.items()
            if (names := about.names)
            for word in about.split_words(entry.row[column])
            if word not in known[names]
        ]


@dataclass(frozen=True)
class Edition:
    """The tables as of a day; a key for caches.

    Parameters
    ----------
    tables
        All rows.
    day
        Last day on which a row of any table began to count.
    """

    tables: ReferenceTables
    day: date

    def rows(self, name: str) -> tuple[Row, ...]:
        """Rows of a table that count, in the order of the files."""
        return _rows(self, name)


def _find_contradictions(tables: ReferenceTables, day: date) -> Iterator[Finding]:
    """Find rows that count on a day and contradict each other or lack a row that they need."""
    yield from _find_absent_coordinates(tables, day)
    yield from _find_crossed_stages(tables, day)
    yield from _find_crossed_levels(tables, day)
    yield from _find_displaced_areas(tables, day)
    yield from _find_repeated_impacts(tables, day)
    yield from _find_circles(tables, day, "stations.csv", "upstream")
    yield from _find_circles(tables, day, "basins.csv", "downstream")
    yield from _find_absent_defaults(tables, day, "cost_loss.csv")
    yield from _find_absent_defaults(tables, day, "alert_rules.csv")
    for entry in tables.in_force("travel_times.csv", day).values():
        shortest, longest = entry.row["value_min"], entry.row["value_max"]
        if float(shortest) > float(longest):
            text = f"expected value_min up to value_max, found {shortest} and {longest}"
            yield Finding(entry.file, entry.line, text)
    features = json.loads(tables.outlines)["features"]
    outlined = {feature["properties"]["basin"] for feature in features}
    for (basin,), entry in tables.in_force("basins.csv", day).items():
        if basin not in outlined:
            text = f"{basin}: expected its outline in {OUTLINES}, found none"
            yield Finding(entry.file, entry.line, text)


def _find_absent_coordinates(tables: ReferenceTables, day: date) -> Iterator[Finding]:
    """Find gauges without coordinates."""
    figures = tables.in_force("station_figures.csv", day)
    for (station,), entry in tables.in_force("stations.csv", day).items():
        for quantity in ("latitude", "longitude"):
            if (station, quantity) not in figures:
                text = f"{station}: expected its {quantity} in station_figures.csv, found none"
                yield Finding(entry.file, entry.line, text)


def _find_crossed_stages(tables: ReferenceTables, day: date) -> Iterator[Finding]:
    """Find stages that must be above the alarm stage and are not."""
    stages = tables.in_force("thresholds.csv", day)
    for (station, kind), entry in stages.items():
        alarm = stages.get((station, "alarm"))
        if kind == "alarm" or alarm is None:
            continue
        lower, upper = float(alarm.row["value"]), float(entry.row["value"])
        if lower >= upper:
            text = f"{station}: expected {kind} above alarm, found {upper:g} m and {lower:g} m"
            yield _blame(text, entry, alarm)


def _find_crossed_levels(tables: ReferenceTables, day: date) -> Iterator[Finding]:
    """Find cities for which a higher level needs less evidence than a lower one."""
    costs = tables.in_force("cost_loss.csv", day)
    harmless = dict(zip(COST_QUANTITIES, (0.0, 1.0), strict=True))
    for city in dict.fromkeys(key[0] for key in costs):
        of_city = {key[1:]: entry for key, entry in costs.items() if key[0] == EVERY_CITY}
        of_city |= {key[1:]: entry for key, entry in costs.items() if key[0] == city}
        values = {key: float(entry.row["value"]) for key, entry in of_city.items()}
        for lower, higher in pairwise(("watch", "warning", "emergency")):
            lower_p, higher_p = (
                least_probability(*(values.get((level, name), harmless[name]) for name in harmless))
                for level in (lower, higher)
            )
            if higher_p < lower_p:
                text = f"{city}: expected {higher} from at least {lower}'s {lower_p:g}"
                rows = [entry for key, entry in of_city.items() if key[0] in {lower, higher}]
                rows.sort(
                    key=lambda entry: (entry.row["city"] != city, entry.row["level"] == lower)
                )
                yield _blame(f"{text}, found {higher_p:g}", *rows)


def _find_displaced_areas(tables: ReferenceTables, day: date) -> Iterator[Finding]:
    """Find areas that do not hold their city."""
    cities = tables.in_force("cities.csv", day)
    for (city,), area in tables.in_force(AREAS, day).items():
        entry = cities.get((city,))
        if entry is None:
            continue
        lat, lon = entry.row["lat"], entry.row["lon"]
        if not to_polygon(area.row["polygon"]).contains(Point(float(lon), float(lat))):
            text = f"{city}: expected its point {lat}, {lon} in its area, found it outside"
            yield _blame(text, area, entry)


def _find_repeated_impacts(tables: ReferenceTables, day: date) -> Iterator[Finding]:
    """Find lines that a city has twice in a language, their stage written as 12 and as 12.0."""
    first: dict[tuple[str, str, float, str], Entry] = {}
    for (city, kind, stage, language), entry in tables.in_force("impacts.csv", day).items():
        other = first.setdefault((city, kind, float(stage), language), entry)
        if other is not entry:
            text = (
                f"{city}: expected one {kind} at {float(stage):g} m in {language}, found "
                f"{other.row['stage_m']} and {stage}"
            )
            yield _blame(text, entry, other)


def least_probability(cost_loss_ratio: float, false_alarm_budget: float) -> float:
    """Return the probability from which a level is worth its cost and its false alarms.

    Acting pays where p exceeds the cost/loss ratio. Among warnings whose p is at least 1 − b no
    more than a share b is false, if the probabilities are reliable. The higher of both counts.

    Examples
    --------
    >>> least_probability(0.25, 0.8), least_probability(0.25, 0.6)
    (0.25, 0.4)
    """
    return round(max(cost_loss_ratio, 1.0 - false_alarm_budget), 9)


def _blame(text: str, *entries: Entry) -> Finding:
    """Place a finding on the first row of an agency among those concerned, else on the first."""
    entry = next((entry for entry in entries if entry.own), entries[0])
    return Finding(entry.file, entry.line, text)


def _find_circles(tables: ReferenceTables, day: date, name: str, column: str) -> Iterator[Finding]:
    """Find rows that name each other in a circle, as no river flows."""
    entries = tables.in_force(name, day)
    named = {key[0]: entry.row[column].split() for key, entry in entries.items()}
    try:
        TopologicalSorter(named).prepare()
    except CycleError as circle:
        text = f"{column}: expected no circle, found {' - '.join(circle.args[1])}"
        yield _blame(text, *(entries[(name,)] for name in circle.args[1]))


def _find_absent_defaults(tables: ReferenceTables, day: date, name: str) -> Iterator[Finding]:
    """Find default rows that a table lacks, for cities without rows of their own."""
    columns, rows = TABLES[name].columns, tables.in_force(name, day)
    for key in product(*(columns[column].choices for column in TABLES[name].key[1:])):
        if (EVERY_CITY, *key) not in rows:
            text = f"expected a row of {EVERY_CITY} for {', '.join(key)}, found none"
            yield Finding(name, 0, text)


def _read_layer(folder: Path, findings: list[Finding], *, own: bool) -> Layer:
    """Read the tables that a folder holds."""
    return {
        name: _sort_by_key(name, _read_rows(folder / name, findings), findings, own=own)
        for name in TABLES
        if _is_table(folder / name, findings)
    }


def _is_table(path: Path, findings: list[Finding]) -> bool:
    """Whether a table is there; what has its name and is no file is a finding."""
    if path.is_file() or not (path.exists() or path.is_symlink()):
        return path.is_file()
    findings.append(Finding(path.name, 0, "expected a file, found none that can be read"))
    return False


def _read_rows(path: Path, findings: list[Finding]) -> list[tuple[int, Row]]:
    """Read the rows of a table that fit its schema, with their lines."""
    name, table = path.name, TABLES[path.name]
    if name == AREAS:
        return _read_areas(path, findings)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            header = [column.strip() for column in reader.fieldnames or ()]
            reader.fieldnames = header
            lines = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        findings.append(Finding(name, 0, f"expected a table of text in UTF-8, found: {error}"))
        return []
    needed = [column for column, about in table.columns.items() if not about.optional]
    allowed = {*table.columns, "as_of"}
    if not set(needed) <= set(header) <= allowed or len(set(header)) < len(header):
        text = f"expected columns {', '.join([*table.columns, 'as_of'])}, found {', '.join(header)}"
        findings.append(Finding(name, 1, text))
        return []
    rows: list[tuple[int, Row]] = []
    for line, cells in lines:
        if None in cells or None in cells.values():
            text = f"expected {len(header)} cells, found another number"
            findings.append(Finding(name, line, text))
            continue
        row = dict.fromkeys((*table.columns, "as_of"), "")
        row |= {column: cell.strip() for column, cell in cells.items()}
        rows.append((line, row))
    return _keep_sound(name, rows, findings)


def _read_areas(path: Path, findings: list[Finding]) -> list[tuple[int, Row]]:
    """Read the areas of cities that have no fault, with the numbers of their features."""
    try:
        features = read_features(path)
    except ValueError as error:
        text = f"expected a GeoJSON feature collection in UTF-8, found: {error}"
        findings.append(Finding(path.name, 0, text))
        return []
    rows: list[tuple[int, Row]] = []
    for number, feature in enumerate(features, 1):
        try:
            rows.append((number, read_row(feature)))
        except ValueError as error:
            findings.append(Finding(path.name, number, str(error)))
    return _keep_sound(path.name, rows, findings)


def _keep_sound(
    name: str, rows: Sequence[tuple[int, Row]], findings: list[Finding]
) -> list[tuple[int, Row]]:
    """Keep the rows whose cells fit the schema."""
    faults = [(line, list(TABLES[name].find_faults(row))) for line, row in rows]
    findings += [Finding(name, line, fault) for line, of_row in faults for fault in of_row]
    return [row for row, (_, of_row) in zip(rows, faults, strict=True) if not of_row]


def _sort_by_key(
    name: str, rows: Sequence[tuple[int, Row]], findings: list[Finding], *, own: bool
) -> dict[Key, list[Entry]]:
    """Sort the rows of a table by key and day."""
    table: dict[Key, list[tuple[date, int, Row]]] = {}
    for line, row in rows:
        key = tuple(row[column] for column in TABLES[name].key)
        day = first_day(row["as_of"]) or _EVER
        table.setdefault(key, []).append((day, line, row))
    entries = {}
    for key, versions in table.items():
        versions.sort(key=lambda version: version[:2])
        for (day, first, _), (next_day, line, _) in pairwise(versions):
            if day == next_day:
                place = f"{_line_word(name)} {first}"
                text = f"expected {', '.join(key)} once as of a day, found it in {place} too"
                findings.append(Finding(name, line, text))
        counts_from = [day for day, _, _ in versions]
        if len(versions[0][2]["as_of"]) == len("2026"):
            counts_from[0] = _EVER
        entries[key] = [
            Entry(row, name, line, day, own)
            for day, (_, line, row) in zip(counts_from, versions, strict=True)
        ]
    return entries


def _find_unknown_files(folder: Path) -> list[Finding]:
    """Find entries of an agency's folder that are no tables."""
    if not folder.is_dir():
        return [Finding(str(folder), 0, "expected a folder of reference tables, found none")]
    names = sorted(path.name for path in folder.iterdir())
    return [
        Finding(name, 0, f"expected one of {', '.join(TABLES)}, found an unknown file")
        for name in names
        if name not in TABLES and name not in BESIDE and not name.startswith(".")
    ]


def _sha256(rows: list[dict[str, str]]) -> str:
    """Hash of rows, whatever the order of their columns."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


@lru_cache
def tables() -> ReferenceTables:
    """Return the tables of this process: the project's with the agency's rows of the settings.

    Raises
    ------
    BadReference
        As of :class:`ReferenceTables`.
    """
    return ReferenceTables(REFERENCE, Settings().reference_dir)


def edition(asof: datetime | None = None) -> Edition:
    """Return the reference tables as of a moment; equal between two changes of any table.

    Parameters
    ----------
    asof
        Default: the newest rows, even those that count from a later day.

    Examples
    --------
    >>> [row["value"] for row in edition().rows("thresholds.csv") if row["station"] == "010501"]
    ['11.5', '12.8']
    """
    return tables().edition(asof)


def group_by_edition(
    times: NDArray[np.datetime64],
) -> Iterator[tuple[datetime, NDArray[np.int64]]]:
    """Group moments at which the same rows of all tables count.

    Parameters
    ----------
    times
        Moments in any order, naive UTC, shape (n,).

    Yields
    ------
    tuple
        A moment of the group, to read the tables as of it, and the indices of its moments.

    Examples
    --------
    >>> times = np.array(["2026-08-20T00:30", "2010-08-20T00:30", "2012-08-20T00:30"], "M8[ns]")
    >>> [(f"{moment:%Y}", rows.tolist()) for moment, rows in group_by_edition(times)]
    [('2010', [1, 2]), ('2026', [0])]
    """
    days = np.array(tables().changes, "datetime64[D]")
    changes = np.searchsorted(days, times.astype("datetime64[D]"), side="right")
    for number in np.unique(changes):
        rows = np.flatnonzero(changes == number)
        yield from_utc64(times[rows[0]]), rows


@lru_cache(maxsize=256)
def _rows(tables_then: Edition, name: str) -> tuple[Row, ...]:
    return tuple(entry.row for entry in tables_then.tables.in_force(name, tables_then.day).values())


def reference_digest(asof: datetime | None = None) -> dict[str, str]:
    """SHA-256 by file of all rows that count at a moment, and of the outlines of the sub-basins.

    Parameters
    ----------
    asof
        Default: the newest rows.
    """
    tables_then = edition(asof)
    digests = {name: _sha256([dict(row) for row in tables_then.rows(name)]) for name in TABLES}
    return {**digests, OUTLINES: hashlib.sha256(tables_then.tables.outlines).hexdigest()}
