"""OGC WaterML 2.0, by the standard and as USGS, BoM and KISTERS write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
from lxml import etree

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauges.decoding import Tally, abbreviate, parse_number, read_parts
from pipeline.sources.gauges.quantities import MODELS, explain_unused, is_mean
from pipeline.sources.gauges.series import (
    NoReadings,
    find_datum,
    find_interval_ends,
    find_units,
    make_series,
    normalize_unit,
    parse_flag,
)

_WML = "{http://www.opengis.net/waterml/2.0}"
_OM = "{http://www.opengis.net/om/2.0}"
_GML = "{http://www.opengis.net/gml/3.2}"
_XLINK = "{http://www.w3.org/1999/xlink}"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_LIKE = "2026-08-20T07:00:00+07:00"
_WORDS = (
    ("discharge", r"discharge|stream ?flow|\bflow\b|00060|/Q$"),
    ("rain", r"rain|precip|00045"),
    (
        "stage",
        r"(?:water|river|water ?course)[ _-]?level|gau?ge[ _-]?height|\bstage\b|00065|/(?:WL?|H)$",
    ),
)
_FLAGS = ("good", "estimated", "suspect", "missing")
"""Flags of qualifiers in order of severity."""


def read_waterml(path: Path, root: etree._Element) -> pd.DataFrame:
    """Read WaterML 2.0: the time-value pairs of each series of each observation.

    The unit comes from the pair, else from the default metadata of the series: its code, else its
    title or address. The offset from UTC comes from each time or, where times have none, from the
    monitoring point's ``zoneOffset``. A time that is a date alone is 00:00 UTC, as the MRC stamps
    its daily series; a mean of a day is not known before the day is over. Empty pairs and nil
    values are missing. The station is the monitoring point's identifier, the last part of its
    address, or the number in its ``gml:id``.

    Parameters
    ----------
    path
        File.
    root
        Its root, from :func:`~pipeline.sources.gauges.decoding.decode_xml`.

    Returns
    -------
    pandas.DataFrame
        As of :func:`pipeline.sources.gauges.gauge_files.read`. ``qc`` is ``estimated`` where a
        qualifier says so and ``suspect`` where one says that the value is doubtful. A property
        above mean sea level has that datum.

    Raises
    ------
    Skipped
        All observations are of properties that the pipeline does not use, or are a model's.
    BadGranule
        No observation can be read; the first lacks a station, unit or time zone, or has another
        datum.
    """
    tally = Tally(path)
    parts = [
        partial(_read_series, path, tally, observation, result)
        for observation in root.iter(f"{_OM}OM_Observation")
        for result in observation.iter(f"{_WML}MeasurementTimeseries")
    ]
    return read_parts(path, tally, parts)


def _read_series(
    path: Path, tally: Tally, observation: etree._Element, result: etree._Element
) -> pd.DataFrame:
    """Return the readings of one series of an observation."""
    variable, datum = _find_variable(path, observation)
    station = _find_station(observation.find(f"{_OM}featureOfInterest"))
    if not station:
        raise BadGranule(path, expected="a monitoring point with a station code", found="none")
    rows = pd.DataFrame(
        _list_pairs(tally, observation, result),
        columns=["time", "value", "unit", "qc", "version", "daily"],
    )
    rows = tally.timed(rows, like=_LIKE)
    method = _find_method(path, observation, result)
    ended = find_interval_ends(rows["time"], of_day=rows["daily"] & (method != "manual"))
    if method == "calculated":
        ended = ended.where(ended > rows["time"], find_interval_ends(rows["time"]))
    tables = [
        make_series(
            path,
            station=station,
            variable=variable,
            unit=str(unit),
            datum=datum,
            method="calculated" if daily is True and method == "telemetry" else method,
            time=part["time"],
            ended=ended[part.index],
            value=part["value"],
            qc=part["qc"],
            version=part["version"],
        )
        for (unit, daily), part in rows.groupby(["unit", "daily"])
    ]
    if not tables:
        raise NoReadings(path)
    return pd.concat(tables)


def _find_variable(path: Path, observation: etree._Element) -> tuple[str, str]:
    """Find the variable of an observation, and the datum of its levels.

    Raises
    ------
    Skipped
        The pipeline does not use its property.
    BadGranule
        Its levels are above another datum than the gauge's zero or the sea.
    """
    property_text = unquote(_describe_reference(observation.find(f"{_OM}observedProperty")))
    description = " ".join(property_text.split())[:90]
    reason = explain_unused(property_text)
    if not reason:
        for name, words in _WORDS:
            if re.search(words, property_text, re.IGNORECASE):
                datum = find_datum(property_text) if name == "stage" else "gauge"
                if not datum:
                    raise BadGranule(
                        path, expected="levels above the gauge's zero or the sea", found=description
                    )
                return name, datum
    raise Skipped(f"{path.name}: {description} is not used{f': {reason}' if reason else ''}")


def _list_pairs(
    tally: Tally, observation: etree._Element, result: etree._Element
) -> Iterator[tuple[str, float, str, str, str, bool]]:
    """List stamp, value, unit, flag and qualifiers of each pair, and whether it is of a day."""
    usual = result.find(f"{_WML}defaultPointMetadata")
    usual_unit, usual_notes = _find_unit(tally.path, usual), _collect_notes(usual)
    offset = _find_offset(observation)
    for point in result.iter(f"{_WML}MeasurementTVP"):
        tally.total += 1
        stamp, daily = _parse_stamp(tally.path, point.findtext(f"{_WML}time") or "", offset)
        element = point.find(f"{_WML}value")
        nil = element is None or element.get(_NIL) in {"true", "1"} or _has_reason(point, element)
        text = None if element is None or nil else element.text
        try:
            value = parse_number(text)
        except ValueError as error:
            expected = str(error).removeprefix("expected ")
            tally.bad.append((f"numbers: {expected} at {abbreviate(stamp)}", abbreviate(text)))
            continue
        notes = _collect_notes(point)
        flag = _find_flag({**usual_notes, **notes}, usual_notes)
        value = float("nan") if flag == "missing" else value
        own_unit = _find_unit(tally.path, point) or (
            "" if element is None else normalize_unit(element.get("uom") or "")
        )
        version = ", ".join(text for texts in (notes or usual_notes).values() for text in texts)
        yield stamp, value, own_unit or usual_unit, flag, version, daily


def _has_reason(point: etree._Element, value: etree._Element) -> bool:
    """Return whether a pair gives a reason for a missing value; its value may then be 0."""
    return value.get("nilReason") is not None or (
        point.find(f"{_WML}metadata//{_WML}nilReason") is not None
    )


def _parse_stamp(path: Path, text: str, offset: str) -> tuple[str, bool]:
    """Parse a stamp: with its offset from UTC, and whether it is a date alone.

    Raises
    ------
    BadGranule
        Neither the stamp nor the monitoring point has an offset: all stamps could be hours off.
    """
    text = text.strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d(?:Z|[+-]\d\d:?\d\d)?", text):
        return f"{text[:10]}T00:00:00Z", True
    zoned = not text or re.search(r"(?:Z|[+-]\d\d:?\d\d)$", text)
    if not zoned and not offset:
        raise BadGranule(path, expected=f"stamps like {_LIKE}, or a zoneOffset", found=repr(text))
    return (text if zoned else text + offset), False


def _find_offset(observation: etree._Element) -> str:
    """Find the offset from UTC of the monitoring point, empty where it has none."""
    text = (observation.findtext(f".//{_WML}zoneOffset") or "").strip()
    match = re.fullmatch(r"([+-])(\d\d?):?(\d\d)?", text)
    if match is None:
        return "Z" if text == "Z" else ""
    return f"{match[1]}{int(match[2]):02d}:{match[3] or '00'}"


def _find_station(feature: etree._Element | None) -> str:
    """Find the code of the station of an observation."""
    if feature is None:
        return ""
    point = feature.find(f"{_WML}MonitoringPoint")
    identifiers = [element.text or "" for element in feature.iter(f"{_GML}identifier")]
    address = feature.get(f"{_XLINK}href") or ""
    addresses = [] if address.startswith("#") else [address]
    for text in (*identifiers, *addresses):
        if code := re.split(r"[/:#=]", unquote(text).strip().rstrip("/"))[-1].strip():
            return code
    gml_ids = [] if point is None else [point.get(f"{_GML}id") or ""]
    names = [element.text or "" for element in feature.iter(f"{_GML}name")]
    for text in (*gml_ids, *names, feature.get(f"{_XLINK}title") or ""):
        if number_match := re.search(r"(?<!\d)\d{6,15}(?!\d)", text):
            return number_match[0]
    return next((name.strip() for name in names if name.strip()), "")


def _find_method(path: Path, observation: etree._Element, result: etree._Element) -> str:
    """Find the method of measurement from the property, process and aggregation of a series.

    A property or a process of a mean makes values ``calculated``, and so does an aggregation
    other than that of a sensor's few minutes.

    Raises
    ------
    Skipped
        The values are a model's, or extremes of intervals.
    """
    usual = result.find(f"{_WML}defaultPointMetadata")
    kinds = () if usual is None else usual.iter(f"{_WML}interpolationType", f"{_WML}aggregation")
    aggregation = " ".join(_describe_reference(kind) or kind.text or "" for kind in kinds)
    if re.search(r"max|min(?!ut)", aggregation, re.IGNORECASE):
        raise Skipped(f"{path.name}: values of {aggregation[:90]} are not used")
    process = observation.find(f"{_OM}procedure")
    elements = () if process is None else process.iter()
    process_text = " ".join(_describe_reference(element) for element in elements).lower()
    if re.search(MODELS, process_text):
        raise Skipped(
            f"{path.name}: the process {' '.join(process_text.split())[:90]} is not observed"
        )
    if is_mean(unquote(_describe_reference(observation.find(f"{_OM}observedProperty")))):
        return "calculated"
    if "sensor" in process_text or "telemet" in process_text:
        return "telemetry"
    if re.search(r"mean|daily|average|calculat|algorithm", process_text) or is_mean(aggregation):
        return "calculated"
    return "manual"


def _find_unit(path: Path, element: etree._Element | None) -> str:
    """Find the unit in the metadata of points; empty where there is none.

    Raises
    ------
    BadGranule
        The metadata name two units.
    """
    uom = None if element is None else element.find(f".//{_WML}uom")
    if uom is None:
        return ""
    address = unquote(uom.get(f"{_XLINK}href") or "")
    address_end = re.split(r"[#:]|/(?=[^/]+$)", address)[-1]
    names = (uom.get("code"), uom.get(f"{_XLINK}title"), uom.get("title"), address_end, uom.text)
    texts = [text for text in names if text and text.strip()]
    if len(set().union(*map(find_units, texts))) > 1:
        raise BadGranule(path, expected="one unit", found=abbreviate(" and ".join(texts)))
    return normalize_unit(texts[0]) if texts else ""


def _collect_notes(element: etree._Element | None) -> dict[str, list[str]]:
    """Collect quality and qualifiers in the metadata of points, by their kind."""
    notes: dict[str, list[str]] = {}
    if element is None:
        return notes
    for kind in ("quality", "qualifier", "censoredReason"):
        for note in element.iter(f"{_WML}{kind}"):
            inner = " ".join(text.strip() for text in note.itertext() if text.strip())
            address = (note.get(f"{_XLINK}href") or "").rstrip("/").rpartition("/")[2]
            if text := note.get(f"{_XLINK}title") or inner or address:
                notes.setdefault(kind, []).append(text[:60])
    return notes


def _find_flag(notes: dict[str, list[str]], usual: dict[str, list[str]]) -> str:
    """Find the severest flag of a pair's notes and of the default qualifiers, which stay valid."""
    texts = [text for kind in notes.values() for text in kind] + usual.get("qualifier", [])
    return max((parse_flag(text) or "good" for text in texts), key=_FLAGS.index, default="good")


def _describe_reference(element: etree._Element | None) -> str:
    """Describe what an element refers to, by title and address."""
    if element is None:
        return ""
    parts = (element.get(f"{_XLINK}title"), element.get(f"{_XLINK}href"))
    return " ".join(part for part in parts if part)
