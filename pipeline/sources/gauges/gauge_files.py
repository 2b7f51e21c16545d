"""River and rain gauges, from files and from the interfaces of the MRC and of ThaiWater.

MRC portal exports, one file per series: `Water Level.Manual@LA_013901_[Pakse].csv`, with
`..__metadata.txt` beside. The header says UTC+07:00 but the stamps end in `Z`, and the `Z` is
right: 00:00Z is the reading of 07:00 in Laos. The data is under the MRC's Non-commercial Data Use
Licence: users provide their own copy. The other formats are in ``tables`` and ``file_layouts``.

Answers of the interfaces are stored unchanged, one file per station and issue time, below
``mrc_live``, ``mrc_archive`` and ``thaiwater``; no file is overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

import pandas as pd

from pipeline.geography.gauge_figures import reference_flows
from pipeline.geography.places import stations
from pipeline.quality.selection import METHODS
from pipeline.sources import SOURCES
from pipeline.sources.base import BadGranule, Granule, HttpError, NotPublished, Skipped
from pipeline.sources.formats.unpacking import gunzip, is_workbook, unzip
from pipeline.sources.gauges.answers import (
    Series,
    check_inventory,
    list_thaiwater_stations,
    read_json,
)
from pipeline.sources.gauges.decoding import decode_json
from pipeline.sources.gauges.file_layouts import LAYOUTS
from pipeline.sources.gauges.own_table import OwnLayout
from pipeline.sources.gauges.parts import explain_passed_over, read_parts
from pipeline.sources.gauges.series import NoReadings, parse_method
from pipeline.sources.gauges.tables import read_table
from pipeline.storage.atomic import draft_file, set_published
from pipeline.times import day_start

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client

HEADER = (
    "Country Code,Station Code,Parameter,Label,Timestamp (UTC+07:00),Value,Unit,"
    "Observed or Estimated,Approval Level,Grade"
)
LONGEST_REQUEST = timedelta(days=364)
"""Longest interval of a request: ThaiWater silently drops the begin of a longer one."""
_BANGKOK = timezone(timedelta(hours=7))


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the files that should exist.

    Parameters
    ----------
    source
        ``gauges``: the newest export of each gauge's stage, and of its discharge where a low flow
        is agreed, and the history for an interval that begins before this year. ``mrc_live``,
        ``mrc_archive``, ``thaiwater``: the answers of a night, one per station, parameter and year.
    start, end
        Half-open interval, UTC. ``mrc/<night>/`` holds the export of a night, which covers its
        year; ``mrc/history/<1 January>/`` holds the years before.
    asof
        Issue time; part of the name of an answer.
    """
    folder, stamp = f"{source}/{asof:%Y%m%dT%H%M}", f"{asof:%Y%m%dT%H%M}"
    newest_end = min(end, asof - SOURCES[source].latency)
    if source == "thaiwater":
        for number in list_thaiwater_stations():
            begin = start
            while begin < newest_end:
                part_end = min(newest_end, begin + LONGEST_REQUEST)
                name = f"waterlevel_graph_{number}_{begin:%Y%m%d}_{stamp}.json"
                yield Granule(source, folder, name, begin, part_end, station=number)
                begin = part_end
        return
    flows = reference_flows()
    agreed = set(flows.loc[flows["kind"] == "pmfm_6a", "station"])
    for code in stations():
        if source == "mrc_live":
            name = f"measurement_{code}_{stamp}.json"
            yield Granule(source, folder, name, start, newest_end, station=code)
        elif source == "mrc_archive":
            for parameter in ("Water Level", "Rainfall"):
                name = f"{parameter}.*@??_{code}_*_{stamp}.json"
                yield Granule(
                    source, folder, name, start, newest_end, parameter, code, asked_at=asof
                )
        else:
            names = [f"Water Level.Manual@??_{code}_*.csv"]
            if code in agreed:
                names.append(f"Discharge.*@??_{code}_*.csv")
            new_year = day_start(asof).replace(month=1, day=1)
            for name in names:
                if start < new_year:
                    yield Granule(source, "mrc/history", f"*/{name}", start, min(end, new_year))
                if end > new_year:
                    yield Granule(source, "mrc", f"2*/{name}", max(start, new_year), min(end, asof))


def by_hand(source: str) -> str:
    """Explain why files are not fetched; empty where they are.

    Parameters
    ----------
    source
        ``gauges``, whose exports may not be fetched, or an interface.
    """
    if source != "gauges":
        return ""
    return "exports come by hand: mekong ingest gauges --from DIR"


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Fetch the answer of an interface into the upstream folder, unchanged.

    Its time of modification is that of its last reading, but not after the granule's end.

    Parameters
    ----------
    granule
        One of ``mrc_live``, ``mrc_archive`` or ``thaiwater``.
    upstream
        Root folder.
    client
        Client with ``MRC_API_KEY``.

    Raises
    ------
    NotPublished
        The station has no readings there, or such files are not fetched.
    NeedsCredentials, HttpError
        As of :class:`~pipeline.sources.access.client.Client`.
    """
    name, headers, params = granule.pattern, {}, {}
    if granule.source == "mrc_live":
        base = f"{client.endpoint('mrc')}/api/v1/time-series/telemetry"
        url = f"{base}/recent/measurement/{granule.station}"
        headers = {"X-API-Key": client.secret("MRC_API_KEY")}
    elif granule.source == "mrc_archive":
        archive_series = _find_series(granule, client)
        base = client.endpoint("mrc_archive")
        unique = quote(archive_series.uniqueId, safe="")
        if not unique.strip("."):
            raise HttpError(
                f"{base}: expected the id of a series, found {archive_series.uniqueId!r}"
            )
        url = f"{base}/api/v1/ts/data/timeSeriesCorrectedData/{unique}"
        params = {"sd": f"{granule.start:%Y-%m-%d}", "ed": f"{granule.end:%Y-%m-%d}"}
        name = _archive_name(granule, archive_series)
    elif granule.source == "thaiwater":
        url = f"{client.endpoint('thaiwater')}/api/v1/thaiwater30/public/waterlevel_graph"
        local = [moment.astimezone(_BANGKOK) for moment in (granule.start, granule.end)]
        params = {
            "station_type": "tele_waterlevel",
            "station_id": granule.station,
            "start_date": f"{local[0]:%Y-%m-%d %H:%M}",
            "end_date": f"{local[1]:%Y-%m-%d %H:%M}",
        }
    else:
        raise NotPublished(f"{granule.folder}/{name} is not fetched: it is exported by hand")
    content = client.get(url, params=params, headers=headers)
    path = upstream / granule.folder / name
    if path.name != name:
        raise HttpError(f"{url}: expected a file's name, found {name!r}")
    with TemporaryDirectory() as folder:
        part = Path(folder) / name
        part.write_bytes(content)
        try:
            readings = read_json(part).dropna(subset="value")
        except NoReadings as none:
            raise NotPublished(str(none)) from none
        except (BadGranule, Skipped) as bad:
            raise HttpError(f"{url}: {bad}") from None
    newest = readings["valid_time"].max().to_pydatetime().replace(tzinfo=UTC)
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_file(path) as draft:
        draft.write_bytes(content)
        set_published(draft, min(newest, granule.end))
    return path


def _find_series(granule: Granule, client: Client) -> Series:
    """Find the series of the archive for a granule: the first method that still reports."""
    url = f"{client.endpoint('mrc_archive')}/api/v1/ts/inventory/timeSeriesList"
    since = f"{granule.start:%Y-%m-%d}"
    list_path = Path("timeSeriesList")
    try:
        rows = check_inventory(list_path, decode_json(list_path, client.get(url, keep=True)))
    except BadGranule as bad:
        raise HttpError(f"{url}: {bad}") from None
    candidates = [
        row
        for row in rows
        if (row.stationCode, row.parameter) == (granule.station, granule.product)
        and (row.correctedEndTime or "") >= since
    ]
    if not candidates:
        raise NotPublished(f"{granule.pattern}: no such series reports in the archive")
    return min(candidates, key=lambda row: METHODS.index(parse_method(row.label or "")))


def _archive_name(granule: Granule, archive_series: Series) -> str:
    """Compose the name of the answer of a series of the archive, like that of an export.

    Parts of it come from the archive's list: they must give a name within a folder, never a path.
    """
    country = archive_series.countryCode or ""
    country = country if re.fullmatch(r"[A-Z]{2}", country) else "XX"
    label, place = (
        _make_safe(text or "") for text in (archive_series.label, archive_series.stationName)
    )
    front = f"{granule.product}.{label or 'Manual'}@{country}_{granule.station}_[{place}]"
    return f"{front}_{granule.asked_at:%Y%m%dT%H%M}.json"


def _make_safe(text: str) -> str:
    """Make a text of a provider safe in a file's name: no separators, at most 80 bytes."""
    safe = re.sub(r"[^\w .()-]", "", text).strip(" .")
    return safe.encode()[:80].decode(errors="ignore")


def list_exports(folder: Path) -> list[Path]:
    """List the series in an export folder, in order of their names.

    Parameters
    ----------
    folder
        Folder with the CSV files as downloaded.

    Raises
    ------
    FileNotFoundError
        The folder has no exports.
    """
    paths = sorted(path for path in folder.glob("*.csv") if "@" in path.name)
    if not paths:
        raise FileNotFoundError(
            f"expected exports named like Water Level.Manual@LA_013901_[Pakse]"
            f".csv in {folder}, found none"
        )
    return paths


def read(path: Path, layout: OwnLayout | None = None) -> pd.DataFrame:
    """Read the readings of a file, in the layout that its content shows.

    Layouts are a portal export, rows of HYMOS or FMMP, the plain CSV of the operator's guide or a
    ministry's own table, each as text or as a workbook; an answer of the MRC's, ThaiWater's or a
    Korean interface, PI-XML or PI-JSON of Delft-FEWS, or WaterML 2.0. Any of these may be
    compressed, or be one of the files of a zip archive.

    Parameters
    ----------
    path
        File.
    layout
        Layout of a ministry's own table.

    Returns
    -------
    pandas.DataFrame
        Columns station, variable (``stage`` in m above gauge zero, ``discharge`` in m3 s-1,
        ``rain`` in mm, ending at the stamp), method (``manual``, ``calculated``, ``telemetry``),
        valid_time (UTC), value, unit, qc, version and raw (the value in the file where it was
        converted), in order of series and time. qc is ``good``, ``estimated`` or ``suspect`` (so
        marked by the agency), ``shifted`` (moved by 7 h to the observer's time), ``absolute``
        (above mean sea level at a gauge whose zero is not verified) or ``conflict`` (the file has
        several values of one time; each is a row). A row without a value is ``missing`` and
        withdraws the stored reading of its time. ``attrs`` hold ``origin``, ``bad_rows`` (omissions
        by line) and ``said`` (remarks on the whole file).

    Raises
    ------
    Skipped
        The content is of a kind that the pipeline does not use.
    BadGranule
        The file has none of these layouts; an unknown unit; too many malformed codes, stamps,
        values or rows; or another station than its name says.
    """
    with path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(b"\x1f\x8b"):
        return _read_gzip(path, layout)
    if start == b"PK\x03\x04" and not is_workbook(path):
        return _read_zip(path, layout)
    return _read(path, layout)


def _read(path: Path, layout: OwnLayout | None) -> pd.DataFrame:
    """Read a file that is not compressed."""
    if path.name.casefold().endswith("__metadata.txt"):
        raise Skipped(f"{path.name}: the description of an export is not used")
    with path.open("rb") as stream:
        head = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    first_line = head.partition(b"\n")[0].strip()
    for file_layout in LAYOUTS:
        if file_layout.fits(head):
            return file_layout.read(path)
    table = read_table(path, layout)
    if table is not None:
        return table
    expected = f"the header {HEADER[:34]}.. or another format of readings"
    if layout is not None:
        expected = f"columns called {', '.join((*layout.time_columns, layout.value))}"
    begin = f"a file that begins with {first_line[:60]!r}" if head else "an empty file"
    if layout is None and any(mark in first_line for mark in b",;\t|"):
        begin += "; of a table of your own name the columns (--station, --time, --value ...)"
    raise BadGranule(path, expected=expected, found=begin)


def _read_gzip(path: Path, layout: OwnLayout | None) -> pd.DataFrame:
    """Read the one file of a gzip file."""
    with TemporaryDirectory() as folder:
        try:
            return _read(gunzip(path, Path(folder)), layout)
        except BadGranule as bad:
            if bad.path == path:
                raise
            raise BadGranule(path, expected="readings inside", found=str(bad)) from bad


def _read_zip(path: Path, layout: OwnLayout | None) -> pd.DataFrame:
    """Read the files of a zip archive as if they lay beside each other."""
    with TemporaryDirectory() as folder:
        members = (
            (member.name, partial(_read_member, member, layout))
            for member in unzip(path, Path(folder))
        )
        return read_parts(path, members, expected="a file of readings inside")


def _read_member(path: Path, layout: OwnLayout | None) -> pd.DataFrame:
    """Read a file of a zip archive."""
    if reason := explain_passed_over(path.name):
        raise Skipped(f"{path.name}: {reason}")
    with path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(b"\x1f\x8b"):
        return _read_gzip(path, layout)
    if start == b"PK\x03\x04" and not is_workbook(path):
        raise BadGranule(path, expected="a file of readings", found="an archive in the archive")
    return _read(path, layout)
