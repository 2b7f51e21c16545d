"""OGC WaterML 2.0, as the standard has it and as USGS, BoM and KISTERS write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
from lxml import etree

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauges.decoding import Tally, number, read_parts, shown
from pipeline.sources.gauges.quantities import MODELS, is_mean, reason_unused
from pipeline.sources.gauges.series import (
    NoReadings,
    datum_in,
    flag_of,
    interval_ends,
    series,
    unit_of,
    units_in,
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
"""What qualifiers say, the weightiest last."""


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
        Its root, from :func:`~pipeline.sources.gauges.decoding.from_xml`.

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
        An observation without station, unit or time zone, or of another datum, and none that can
        be read.
    """
    tally = Tally(path)
    parts = [
        partial(_series, path, tally, observation, result)
        for observation in root.iter(f"{_OM}OM_Observation")
        for result in observation.iter(f"{_WML}MeasurementTimeseries")
    ]
    return read_parts(path, tally, parts)


def _series(
    path: Path, tally: Tally, observation: etree._Element, result: etree._Element
) -> pd.DataFrame:
    """Return the readings of one series of an observation."""
    variable, datum = _variable(path, observation)
    station = _station(observation.find(f"{_OM}featureOfInterest"))
    if not station:
        raise BadGranule(path, expected="a monitoring point with a station code", found="none")
    rows = pd.DataFrame(
        _pairs(tally, observation, result),
        columns=["time", "value", "unit", "qc", "version", "daily"],
    )
    rows = tally.timed(rows, like=_LIKE)
    method = _method(path, observation, result)
    ended = interval_ends(rows["time"], of_day=rows["daily"] & (method != "manual"))
    if method == "calculated":
        ended = ended.where(ended > rows["time"], interval_ends(rows["time"]))
    found = [
        series(
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
    if not found:
        raise NoReadings(path)
    return pd.concat(found)


def _variable(path: Path, observation: etree._Element) -> tuple[str, str]:
    """Variable of an observation, and the datum of its levels.

    Raises
    ------
    Skipped
        Its property is none that the pipeline uses.
    BadGranule
        Its levels are above another datum than the gauge's zero or the sea.
    """
    observed = unquote(_reference(observation.find(f"{_OM}observedProperty")))
    said = " ".join(observed.split())[:90]
    reason = reason_unused(observed)
    if not reason:
        for name, words in _WORDS:
            if re.search(words, observed, re.IGNORECASE):
                datum = datum_in(observed) if name == "stage" else "gauge"
                if not datum:
                    raise BadGranule(
                        path, expected="levels above the gauge's zero or the sea", found=said
                    )
                return name, datum
    raise Skipped(f"{path.name}: {said} is not used{f': {reason}' if reason else ''}")


def _pairs(
    tally: Tally, observation: etree._Element, result: etree._Element
) -> Iterator[tuple[str, float, str, str, str, bool]]:
    """Stamp, value, unit, flag, qualifiers of each pair, and whether it is of a day."""
    usual = result.find(f"{_WML}defaultPointMetadata")
    usual_unit, usual_notes = _unit(tally.path, usual), _notes(usual)
    offset = _offset(observation)
    for point in result.iter(f"{_WML}MeasurementTVP"):
        tally.total += 1
        stamp, daily = _stamp(tally.path, point.findtext(f"{_WML}time") or "", offset)
        given = point.find(f"{_WML}value")
        nil = given is None or given.get(_NIL) in {"true", "1"} or _has_reason(point, given)
        text = None if given is None or nil else given.text
        try:
            value = number(text)
        except ValueError as error:
            wanted = str(error).removeprefix("expected ")
            tally.bad.append((f"numbers: {wanted} at {shown(stamp)}", shown(text)))
            continue
        notes = _notes(point)
        flag = _flag({**usual_notes, **notes}, usual_notes)
        value = float("nan") if flag == "missing" else value
        own = _unit(tally.path, point) or ("" if given is None else unit_of(given.get("uom") or ""))
        said = ", ".join(text for texts in (notes or usual_notes).values() for text in texts)
        yield stamp, value, own or usual_unit, flag, said, daily


def _has_reason(point: etree._Element, value: etree._Element) -> bool:
    """Whether a pair says why it has no value, which may then be 0."""
    return value.get("nilReason") is not None or (
        point.find(f"{_WML}metadata//{_WML}nilReason") is not None
    )


def _stamp(path: Path, text: str, offset: str) -> tuple[str, bool]:
    """Stamp with its offset from UTC, and whether it is a date alone.

    Raises
    ------
    BadGranule
        Neither it nor the monitoring point has an offset: all its stamps could be hours off.
    """
    text = text.strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d(?:Z|[+-]\d\d:?\d\d)?", text):
        return f"{text[:10]}T00:00:00Z", True
    zoned = not text or re.search(r"(?:Z|[+-]\d\d:?\d\d)$", text)
    if not zoned and not offset:
        raise BadGranule(path, expected=f"stamps like {_LIKE}, or a zoneOffset", found=repr(text))
    return (text if zoned else text + offset), False


def _offset(observation: etree._Element) -> str:
    """Offset from UTC of the monitoring point, empty where it has none."""
    text = (observation.findtext(f".//{_WML}zoneOffset") or "").strip()
    found = re.fullmatch(r"([+-])(\d\d?):?(\d\d)?", text)
    if found is None:
        return "Z" if text == "Z" else ""
    return f"{found[1]}{int(found[2]):02d}:{found[3] or '00'}"


def _station(feature: etree._Element | None) -> str:
    """Code of the station that an observation is of."""
    if feature is None:
        return ""
    point = feature.find(f"{_WML}MonitoringPoint")
    identifiers = [one.text or "" for one in feature.iter(f"{_GML}identifier")]
    address = feature.get(f"{_XLINK}href") or ""
    addresses = [] if address.startswith("#") else [address]
    for text in (*identifiers, *addresses):
        if code := re.split(r"[/:#=]", unquote(text).strip().rstrip("/"))[-1].strip():
            return code
    marks = [] if point is None else [point.get(f"{_GML}id") or ""]
    names = [one.text or "" for one in feature.iter(f"{_GML}name")]
    for text in (*marks, *names, feature.get(f"{_XLINK}title") or ""):
        if numbered := re.search(r"(?<!\d)\d{6,15}(?!\d)", text):
            return numbered[0]
    return next((name.strip() for name in names if name.strip()), "")


def _method(path: Path, observation: etree._Element, result: etree._Element) -> str:
    """How the values were got: from the property, the process and the aggregation of a series.

    A property or a process of a mean makes values ``calculated``, and so does an aggregation
    but of a sensor's few minutes.

    Raises
    ------
    Skipped
        A model made them, or they are the extremes of intervals.
    """
    usual = result.find(f"{_WML}defaultPointMetadata")
    kinds = () if usual is None else usual.iter(f"{_WML}interpolationType", f"{_WML}aggregation")
    aggregation = " ".join(_reference(kind) or kind.text or "" for kind in kinds)
    if re.search(r"max|min(?!ut)", aggregation, re.IGNORECASE):
        raise Skipped(f"{path.name}: values of {aggregation[:90]} are not used")
    process = observation.find(f"{_OM}procedure")
    elements = () if process is None else process.iter()
    said = " ".join(_reference(element) for element in elements).lower()
    if re.search(MODELS, said):
        raise Skipped(f"{path.name}: the process {' '.join(said.split())[:90]} is not observed")
    if is_mean(unquote(_reference(observation.find(f"{_OM}observedProperty")))):
        return "calculated"
    if "sensor" in said or "telemet" in said:
        return "telemetry"
    if re.search(r"mean|daily|average|calculat|algorithm", said) or is_mean(aggregation):
        return "calculated"
    return "manual"


def _unit(path: Path, element: etree._Element | None) -> str:
    """Return the unit in the metadata of points; empty where there is none.

    Raises
    ------
    BadGranule
        It is called two units.
    """
    uom = None if element is None else element.find(f".//{_WML}uom")
    if uom is None:
        return ""
    address = unquote(uom.get(f"{_XLINK}href") or "")
    last = re.split(r"[#:]|/(?=[^/]+$)", address)[-1]
    said = (uom.get("code"), uom.get(f"{_XLINK}title"), uom.get("title"), last, uom.text)
    texts = [text for text in said if text and text.strip()]
    if len(set().union(*map(units_in, texts))) > 1:
        raise BadGranule(path, expected="one unit", found=shown(" and ".join(texts)))
    return unit_of(texts[0]) if texts else ""


def _notes(element: etree._Element | None) -> dict[str, list[str]]:
    """Quality and qualifiers in the metadata of points, by their kind."""
    found: dict[str, list[str]] = {}
    if element is None:
        return found
    for kind in ("quality", "qualifier", "censoredReason"):
        for one in element.iter(f"{_WML}{kind}"):
            inner = " ".join(text.strip() for text in one.itertext() if text.strip())
            address = (one.get(f"{_XLINK}href") or "").rstrip("/").rpartition("/")[2]
            if text := one.get(f"{_XLINK}title") or inner or address:
                found.setdefault(kind, []).append(text[:60])
    return found


def _flag(notes: dict[str, list[str]], usual: dict[str, list[str]]) -> str:
    """Weightiest flag of a pair's notes and of the usual qualifiers, which they do not replace."""
    texts = [text for kind in notes.values() for text in kind] + usual.get("qualifier", [])
    return max((flag_of(text) or "good" for text in texts), key=_FLAGS.index, default="good")


def _reference(element: etree._Element | None) -> str:
    """Return what an element refers to, in words and by its address."""
    if element is None:
        return ""
    said = (element.get(f"{_XLINK}title"), element.get(f"{_XLINK}href"))
    return " ".join(part for part in said if part)
