"""River and rain gauges, from files and from the interfaces of the MRC and of ThaiWater.

MRC portal exports, one file per series: `Water Level.Manual@LA_013901_[Pakse].csv`, with
`..__metadata.txt` beside. The header says UTC+07:00 but the stamps end in `Z`, and the `Z` is
right: 00:00Z is the reading of 07:00 in Laos. The data is under the MRC's Non-commercial Data Use
Licence: a user brings their own copy. What else is read is in ``gauge_formats``, ``waterml``,
``fews_pi``, ``gauge_answers`` and ``korea``.

Answers of the interfaces are kept as they came, one file per station and issue time, below
``mrc_live``, ``mrc_archive`` and ``thaiwater``; nothing there is written over.
"""

from __future__ import annotations

import os
import re
import warnings
from datetime import UTC, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pandas as pd

from pipeline.places import reference_flows, stations
from pipeline.quality import METHODS
from pipeline.sources import SOURCES
from pipeline.sources.base import BadGranule, Granule, HttpError, NotPublished, Skipped
from pipeline.sources.decoding import content_of, from_json, from_xml, shown
from pipeline.sources.fews_pi import NAMESPACE, read_pi_xml
from pipeline.sources.gauge_answers import Series, inventory, read_json, thaiwater_stations
from pipeline.sources.gauge_formats import (
    COLUMNS,
    HYMOS,
    PARAMETERS,
    NoReadings,
    method_of,
    numbers,
    read_csv,
    read_hymos,
    series,
    settle,
)
from pipeline.sources.waterml import read_waterml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pipeline.sources.http import Client

HEADER = (
    "Country Code,Station Code,Parameter,Label,Timestamp (UTC+07:00),Value,Unit,"
    "Observed or Estimated,Approval Level,Grade"
)
VIRTUAL_GRADE = "Virtual basin, not a measurement"
UTF16_XML = tuple("\ufeff<".encode(code) for code in ("utf-16-le", "utf-16-be"))
LONGEST = timedelta(days=364)
"""ThaiWater cuts a longer interval off at its begin, and does not say so."""
_BANGKOK = timezone(timedelta(hours=7))
_COLUMNS = ["country", "station", "parameter", "label", "time", "value", "unit", "oe", "approval",
            "grade"]  # fmt: skip
_CONSTANT = [c for c in _COLUMNS if c not in {"time", "value", "oe"}]


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
                yield Granule(source, folder, name, begin, until)
                begin = until
        return
    flows = reference_flows()
    agreed = set(flows.loc[flows["kind"] == "pmfm_6a", "station"])
    for code in stations():
        if source == "mrc_live":
            yield Granule(source, folder, f"measurement_{code}_{stamp}.json", start, last)
        elif source == "mrc_archive":
            for parameter in ("Water Level", "Rainfall"):
                name = f"{parameter}.*@??_{code}_*_{stamp}.json"
                yield Granule(source, folder, name, start, last)
        else:
            names = [f"Water Level.Manual@??_{code}_*.csv"]
            if code in agreed:
                names.append(f"Discharge.*@??_{code}_*.csv")
            new_year = asof.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
            for name in names:
                if start < new_year:
                    yield Granule(source, "mrc/history", f"*/{name}", start, min(end, new_year))
                if end > new_year:
                    yield Granule(source, "mrc", f"2*/{name}", max(start, new_year), min(end, asof))


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
        As of :class:`~pipeline.sources.http.Client`.
    """
    name, headers, params = granule.pattern, {}, {}
    if granule.source == "mrc_live":
        code = name.split("_")[1]
        url = f"{client.endpoint('mrc')}/api/v1/time-series/telemetry/recent/measurement/{code}"
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
            "station_id": name.split("_")[2],
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
            last = read_json(part)["valid_time"].max().to_pydatetime().replace(tzinfo=UTC)
        except NoReadings as none:
            raise NotPublished(str(none)) from none
        except (BadGranule, Skipped) as bad:
            raise HttpError(f"{url}: {bad}") from bad
        os.utime(part, (min(last, granule.end).timestamp(),) * 2)
        part.replace(path)
    return path


def _inventory(granule: Granule, client: Client) -> Series:
    """Series of the archive that a granule asks for: the first method that still reports."""
    parameter, _, rest = granule.pattern.partition(".")
    code = rest.split("_")[1]
    url = f"{client.endpoint('mrc_archive')}/api/v1/ts/inventory/timeSeriesList"
    since = f"{granule.start:%Y-%m-%d}"
    listed = Path("timeSeriesList")
    try:
        rows = inventory(listed, from_json(listed, client.get(url, keep=True)))
    except BadGranule as bad:
        raise HttpError(f"{url}: {bad}") from bad
    found = [
        row for row in rows
        if (row.stationCode, row.parameter) == (code, parameter)
        and (row.correctedEndTime or "") >= since
    ]  # fmt: skip
    if not found:
        raise NotPublished(f"{granule.pattern}: no such series reports in the archive")
    return min(found, key=lambda row: METHODS.index(method_of(row.label or "")))


def _archive_name(granule: Granule, found: Series) -> str:
    """Name of the answer of a series of the archive, as that of an export.

    Parts of it come from the archive's list: they become a name within a folder, never a path.
    """
    parameter, _, rest = granule.pattern.partition(".")
    code, stamp = rest.split("_")[1], rest.rpartition("_")[2]
    country = found.countryCode or ""
    country = country if re.fullmatch(r"[A-Z]{2}", country) else "XX"
    label, place = (_plain(text or "") for text in (found.label, found.stationName))
    return f"{parameter}.{label or 'Manual'}@{country}_{code}_[{place}]_{stamp}"


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
        raise FileNotFoundError(f"expected exports named like Water Level.Manual@LA_013901_[Pakse]"
                                f".csv in {folder}, found none")  # fmt: skip
    return found


def read(path: Path) -> pd.DataFrame:
    """Read the readings of a file, whatever it is: its content tells.

    A portal export, rows of HYMOS or FMMP, an answer of the MRC's, ThaiWater's or a Korean
    interface, PI-XML or PI-JSON of Delft-FEWS, WaterML 2.0, or the plain CSV of the operator's
    guide.

    Parameters
    ----------
    path
        File.

    Returns
    -------
    pandas.DataFrame
        Columns station, variable (``stage`` in m above gauge zero, ``discharge`` in m3 s-1,
        ``rain`` in mm, ending at the stamp), method (``manual``, ``calculated``, ``telemetry``),
        valid_time (UTC), value, unit, qc, version and raw (what the file says where it was
        restated), in order of series and time, one row per time. qc is ``good``, ``estimated``
        (so marked by the agency), ``absolute`` (above mean sea level at a gauge whose zero is not
        verified) or ``conflict`` (another value stood earlier in the file). Rows without a value
        are left out.

    Raises
    ------
    Skipped
        What it holds is of a kind that the pipeline does not use.
    BadGranule
        None of these, cut short, in an unknown unit, with a malformed station code, stamp or
        value, or another station than its name says.
    """
    with path.open("rb") as stream:
        head = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    first = head.partition(b"\n")[0].strip()
    if first == HEADER.encode():
        return _export(path)
    if tuple(first.decode("utf-8", "replace").split(",")[: len(COLUMNS)]) == COLUMNS:
        return read_csv(path)
    if HYMOS.match(first):
        return read_hymos(path)
    if head.startswith((b"{", b"[")):
        return read_json(path)
    if head.startswith((b"<?xml", *UTF16_XML)) or b"opengis.net/" in head or b"fews/PI" in head:
        return _xml(path)
    found = f"a file that begins with {first[:60]!r}" if head else "an empty file"
    raise BadGranule(
        path, expected=f"the header {HEADER[:34]}.. or another format of readings", found=found
    )


def _xml(path: Path) -> pd.DataFrame:
    """Read XML of Delft-FEWS, or WaterML 2.0."""
    root = from_xml(path, content_of(path))
    if root.tag in {"TimeSeries", f"{{{NAMESPACE}}}TimeSeries"}:
        return read_pi_xml(path, root)
    if next(root.iter("{http://www.opengis.net/om/2.0}OM_Observation"), None) is None:
        raise BadGranule(
            path, expected="WaterML 2.0 or a series of Delft-FEWS", found=shown(root.tag)
        )
    return read_waterml(path, root)


def _export(path: Path) -> pd.DataFrame:
    """Read one export of the portal."""
    raw = _table(path)
    if raw.empty:
        raise BadGranule(path, expected="at least one row", found="the header alone")
    first = raw.iloc[0]
    for column in _CONSTANT[:5]:
        if (raw[column] != first[column]).any():
            raise BadGranule(path, expected=f"one {column}", found=str(list(raw[column].unique())))
    if first["parameter"] not in PARAMETERS:
        raise Skipped(f"{path.name}: {first['parameter']} is not used")
    code = str(first["station"])
    named = re.search(r"@[A-Z]{2}_([^_]+)_", path.name)
    if not re.fullmatch(r"\d{6}", code) or (named and named[1] != code):
        expected = f"station {named[1]} as in its name" if named else "a station code of six digits"
        raise BadGranule(path, expected=expected, found=repr(code))
    made = series(
        path, station=code, variable=PARAMETERS[first["parameter"]], unit=str(first["unit"]),
        method=method_of(first["label"]), time=raw["time"], value=raw["value"],
        qc=pd.Series(np.where(raw["oe"] == "E", "estimated", "good"), dtype="str"),
        version=f"{first['label']}, " + raw["approval"].astype(str),
    )  # fmt: skip
    frame = settle(path, [made])
    if (raw["grade"] == VIRTUAL_GRADE).any():
        frame.attrs["origin"] = "virtual"
    return frame


def _table(path: Path) -> pd.DataFrame:
    """Rows of an export with parsed time and value; raises on anything that is not one."""
    with path.open("rb") as stream:
        stream.seek(-1, 2)
        if stream.read() != b"\n":
            raise BadGranule(path, expected="a last line that ends", found="a file cut short")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            raw = pd.read_csv(
                path, header=0, names=_COLUMNS, keep_default_na=False, encoding="utf-8-sig",
                dtype=str, index_col=False,
            )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError) as error:
        raise BadGranule(path, expected="ten columns in each row", found=str(error)) from error
    if (raw["grade"].fillna("") == "").any():
        raise BadGranule(path, expected="ten columns in each row", found="fewer")
    time = pd.to_datetime(raw["time"], format="%Y-%m-%dT%H:%MZ", errors="coerce")
    if time.isna().any():
        found = repr(raw.loc[time.isna(), "time"].iloc[0])
        raise BadGranule(path, expected="stamps like 2024-08-01T00:00Z", found=found)
    return raw.assign(time=time.astype("datetime64[ns]"), value=numbers(path, raw["value"]))
