"""River and rain gauges, from files and from the interfaces of the MRC and of ThaiWater.

MRC portal exports, one file per series: `Water Level.Manual@LA_013901_[Pakse].csv`, with
`..__metadata.txt` beside. The header says UTC+07:00 but the stamps end in `Z`, and the `Z` is
right: 00:00Z is the reading of 07:00 in Laos. The data is under the MRC's Non-commercial Data Use
Licence: a user brings their own copy. What else is read is in ``tables`` and ``file_layouts``.

Answers of the interfaces are kept as they came, one file per station and issue time, below
``mrc_live``, ``mrc_archive`` and ``thaiwater``; nothing there is written over.
"""

from __future__ import annotations

import os
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
from pipeline.sources.gauges.answers import Series, inventory, read_json, thaiwater_stations
from pipeline.sources.gauges.decoding import from_json
from pipeline.sources.gauges.file_layouts import LAYOUTS
from pipeline.sources.gauges.own_table import OwnLayout
from pipeline.sources.gauges.parts import read_parts, reason_passed_over
from pipeline.sources.gauges.series import NoReadings, method_of
from pipeline.sources.gauges.tables import read_table
from pipeline.times import day_start

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client

HEADER = (
    "Country Code,Station Code,Parameter,Label,Timestamp (UTC+07:00),Value,Unit,"
    "Observed or Estimated,Approval Level,Grade"
)
LONGEST = timedelta(days=364)
"""ThaiWater cuts a longer interval off at its begin, and does not say so."""
_BANGKOK = timezone(timedelta(hours=7))


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the files that should exist.

    Parameters
    ----------
    source
        ``gauges``: the newest export of each gauge's stage, and of its discharge where a low flow
        is agreed, and the history where the interval reaches back. ``mrc_live``, ``mrc_archive``,
        ``thaiwater``: the answers of a night, one per station (and parameter; and year).
    start, end
        Half-open interval, UTC. ``mrc/<night>/`` holds the export of a night, which covers its
        year; ``mrc/history/<1 January>/`` holds the years before.
    asof
        Moment of the question; part of the name of an answer.
    """
    folder, stamp = f"{source}/{asof:%Y%m%dT%H%M}", f"{asof:%Y%m%dT%H%M}"
    last = min(end, asof - SOURCES[source].latency)
    if source == "thaiwater":
        for number in thaiwater_stations():
            begin = start
            while begin < last:
                until = min(last, begin + LONGEST)
                name = f"waterlevel_graph_{number}_{begin:%Y%m%d}_{stamp}.json"
                yield Granule(source, folder, name, begin, until, station=number)
                begin = until
        return
    flows = reference_flows()
    agreed = set(flows.loc[flows["kind"] == "pmfm_6a", "station"])
    for code in stations():
        if source == "mrc_live":
            name = f"measurement_{code}_{stamp}.json"
            yield Granule(source, folder, name, start, last, station=code)
        elif source == "mrc_archive":
            for parameter in ("Water Level", "Rainfall"):
                name = f"{parameter}.*@??_{code}_*_{stamp}.json"
                yield Granule(source, folder, name, start, last, parameter, code, asked_at=asof)
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
    """Say why no provider is asked; empty where one is.

    Parameters
    ----------
    source
        ``gauges``, whose exports nobody may fetch, or an interface.
    """
    if source != "gauges":
        return ""
    return "exports come by hand: mekong ingest gauges --from DIR"


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Bring the answer of an interface into the upstream, as it is.

    Its time of modification is that of its last reading, but not after the granule's end.

    Parameters
    ----------
    granule
        One of ``mrc_live``, ``mrc_archive`` or ``thaiwater``.
    upstream
        Root folder.
    client
        Asks; knows ``MRC_API_KEY``.

    Raises
    ------
    NotPublished
        The station has no readings there, or nobody fetches such files.
    NeedsCredentials, HttpError
        As of :class:`~pipeline.sources.access.client.Client`.
    """
    name, headers, params = granule.pattern, {}, {}
    if granule.source == "mrc_live":
        base = f"{client.endpoint('mrc')}/api/v1/time-series/telemetry"
        url = f"{base}/recent/measurement/{granule.station}"
        headers = {"X-API-Key": client.secret("MRC_API_KEY")}
    elif granule.source == "mrc_archive":
        found = _inventory(granule, client)
        base = client.endpoint("mrc_archive")
        unique = quote(found.uniqueId, safe="")
        if not unique.strip("."):
            raise HttpError(f"{base}: expected the id of a series, found {found.uniqueId!r}")
        url = f"{base}/api/v1/ts/data/timeSeriesCorrectedData/{unique}"
        params = {"sd": f"{granule.start:%Y-%m-%d}", "ed": f"{granule.end:%Y-%m-%d}"}
        name = _archive_name(granule, found)
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
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        part = Path(folder) / name
        part.write_bytes(content)
        try:
            readings = read_json(part).dropna(subset="value")
            last = readings["valid_time"].max().to_pydatetime().replace(tzinfo=UTC)
        except NoReadings as none:
            raise NotPublished(str(none)) from none
        except (BadGranule, Skipped) as bad:
            raise HttpError(f"{url}: {bad}") from bad
        os.utime(part, (min(last, granule.end).timestamp(),) * 2)
        part.replace(path)
    return path


def _inventory(granule: Granule, client: Client) -> Series:
    """Series of the archive that a granule asks for: the first method that still reports."""
    url = f"{client.endpoint('mrc_archive')}/api/v1/ts/inventory/timeSeriesList"
    since = f"{granule.start:%Y-%m-%d}"
    listed = Path("timeSeriesList")
    try:
        rows = inventory(listed, from_json(listed, client.get(url, keep=True)))
    except BadGranule as bad:
        raise HttpError(f"{url}: {bad}") from bad
    found = [
        row
        for row in rows
        if (row.stationCode, row.parameter) == (granule.station, granule.product)
        and (row.correctedEndTime or "") >= since
    ]
    if not found:
        raise NotPublished(f"{granule.pattern}: no such series reports in the archive")
    return min(found, key=lambda row: METHODS.index(method_of(row.label or "")))


def _archive_name(granule: Granule, found: Series) -> str:
    """Name of the answer of a series of the archive, as that of an export.

    Parts of it come from the archive's list: they become a name within a folder, never a path.
    """
    country = found.countryCode or ""
    country = country if re.fullmatch(r"[A-Z]{2}", country) else "XX"
    label, place = (_plain(text or "") for text in (found.label, found.stationName))
    series = f"{granule.product}.{label or 'Manual'}@{country}_{granule.station}_[{place}]"
    return f"{series}_{granule.asked_at:%Y%m%dT%H%M}.json"


def _plain(text: str) -> str:
    """Part of a file's name from a text of a provider: no separators, at most 80 bytes."""
    kept = re.sub(r"[^\w .()-]", "", text).strip(" .")
    return kept.encode()[:80].decode(errors="ignore")


def exports(folder: Path) -> list[Path]:
    """List the series that lie in an export folder, in order of their names.

    Parameters
    ----------
    folder
        Folder with the CSV files as downloaded.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    found = sorted(path for path in folder.glob("*.csv") if "@" in path.name)
    if not found:
        raise FileNotFoundError(
            f"expected exports named like Water Level.Manual@LA_013901_[Pakse]"
            f".csv in {folder}, found none"
        )
    return found


def read(path: Path, layout: OwnLayout | None = None) -> pd.DataFrame:
    """Read the readings of a file, whatever it is: its content tells.

    A portal export, rows of HYMOS or FMMP, the plain CSV of the operator's guide or a ministry's
    own table, each as text or as a workbook; an answer of the MRC's, ThaiWater's or a Korean
    interface, PI-XML or PI-JSON of Delft-FEWS, or WaterML 2.0. Any of these may be compressed, or
    be one of the files of a zip archive.

    Parameters
    ----------
    path
        File.
    layout
        Of a ministry's own table.

    Returns
    -------
    pandas.DataFrame
        Columns station, variable (``stage`` in m above gauge zero, ``discharge`` in m3 s-1,
        ``rain`` in mm, ending at the stamp), method (``manual``, ``calculated``, ``telemetry``),
        valid_time (UTC), value, unit, qc, version and raw (what the file says where it was
        restated), in order of series and time. qc is ``good``,
        ``estimated`` or ``suspect`` (so marked by the agency), ``shifted`` (moved by 7 h to the
        observer's time), ``absolute`` (above mean sea level at a gauge whose zero is not
        verified) or ``conflict`` (the file has several values of one time; each is a row). A
        row without a value is ``missing`` and withdraws what is stored of its time. ``attrs`` hold
        ``origin``, ``bad_rows``: what was left out, line by line, and ``said``: remarks on the
        whole file.

    Raises
    ------
    Skipped
        What it holds is of a kind that the pipeline does not use.
    BadGranule
        None of these; in an unknown unit; with too many malformed codes, stamps, values or rows;
        or another station than its name says.
    """
    with path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(b"\x1f\x8b"):
        return _unpacked(path, layout)
    if start == b"PK\x03\x04" and not is_workbook(path):
        return _archive(path, layout)
    return _read(path, layout)


def _read(path: Path, layout: OwnLayout | None) -> pd.DataFrame:
    """Read a file that is not compressed."""
    if path.name.casefold().endswith("__metadata.txt"):
        raise Skipped(f"{path.name}: the description of an export is not used")
    with path.open("rb") as stream:
        head = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    first = head.partition(b"\n")[0].strip()
    for known in LAYOUTS:
        if known.fits(head):
            return known.read(path)
    found = read_table(path, layout)
    if found is not None:
        return found
    wanted = f"the header {HEADER[:34]}.. or another format of readings"
    if layout is not None:
        wanted = f"columns called {', '.join((*layout.time_columns, layout.value))}"
    begin = f"a file that begins with {first[:60]!r}" if head else "an empty file"
    raise BadGranule(path, expected=wanted, found=begin)


def _unpacked(path: Path, layout: OwnLayout | None) -> pd.DataFrame:
    """Read the one file of a gzip file."""
    with TemporaryDirectory() as folder:
        try:
            return _read(gunzip(path, Path(folder)), layout)
        except BadGranule as bad:
            if bad.path == path:
                raise
            raise BadGranule(path, expected="readings inside", found=str(bad)) from bad


def _archive(path: Path, layout: OwnLayout | None) -> pd.DataFrame:
    """Read the files of a zip archive as if they lay beside each other."""
    with TemporaryDirectory() as folder:
        members = (
            (member.name, partial(_read_member, member, layout))
            for member in unzip(path, Path(folder))
        )
        return read_parts(path, members, expected="a file of readings inside")


def _read_member(path: Path, layout: OwnLayout | None) -> pd.DataFrame:
    """Read a file of a zip archive."""
    if reason := reason_passed_over(path.name):
        raise Skipped(f"{path.name}: {reason}")
    with path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(b"\x1f\x8b"):
        return _unpacked(path, layout)
    if start == b"PK\x03\x04" and not is_workbook(path):
        raise BadGranule(path, expected="a file of readings", found="an archive in the archive")
    return _read(path, layout)
