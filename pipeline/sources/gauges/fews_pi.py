"""Series that Delft-FEWS exports through its published interface, in XML and in JSON.

Both have the same fields: a time zone in decimal hours for the whole file, and series with a
header and events. FEWS also exports results of models; only observations are read.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from lxml import etree
from pydantic import BeforeValidator

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauges.decoding import (
    Answer,
    Code,
    Number,
    Stamp,
    Tally,
    Text,
    abbreviate,
    parse_number,
    read_parts,
    validate,
)
from pipeline.sources.gauges.quantities import MODELS, explain_unused, is_mean
from pipeline.sources.gauges.series import make_series, normalize_unit

NAMESPACE = "http://www.wldelft.nl/fews/PI"
_LIKE = "2026-08-20 07:00:00"
_OBSERVED = (
    r"(?:[._ -]+(?:obs(?:erved|ervation)?|met(?:ing)?|meas(?:ured|urement)?|m|raw|ruw|"
    r"tel(?:em[a-z]*)?|man(?:ual)?|gauge|rated|val(?:id[a-z]*)?|gem(?:iddeld)?|mean|avg|"
    r"\d+ ?(?:m|min|h|hr|hour|d|day)s?|\[[^\]]*\]))*"
)
_PARAMETERS = (
    ("stage", rf"(?:h|wl|w|wathte|stage|water[ _-]?level){_OBSERVED}"),
    ("discharge", rf"(?:q|discharge|afvoer|debiet){_OBSERVED}"),
    ("rain", rf"(?:p|rain|rainfall|precip(?:itation)?|neerslag){_OBSERVED}"),
)
"""Parameters that are observed, in any case: ``H.obs``, ``H.meting``, ``WATHTE``; not ``H.sim``,
``H.obs.forecast`` or ``H.obs.max``."""
_IMPORTS = r"import|obs|meas|telem|manual|scada|gauge|valid|meting|werkfilter|hydromet|hymos|raw"
_SENSOR_STEP_S = 6 * 3600
"""Step below which readings are a sensor's, s: observers read twice a day, in a flood every 3 hours
at most, and then without a fixed step."""


def _parse_flag_number(value: object) -> int:
    """Parse the flag of an event; 0 (original and reliable) where it has none."""
    flag = parse_number(value)
    if np.isnan(flag):
        return 0
    if flag not in range(10):
        raise ValueError("expected a flag of 0 to 9")
    return int(flag)


class _Step(Answer):
    unit: Text = "nonequidistant"
    multiplier: Number = 1.0


class _Header(Answer):
    type: Text = "instantaneous"
    locationId: Code  # noqa: N815  # the interface's names
    parameterId: Code  # noqa: N815
    moduleInstanceId: Text | None = None  # noqa: N815
    qualifierId: Any = None  # noqa: N815
    forecastDate: Any = None  # noqa: N815
    ensembleId: Any = None  # noqa: N815
    ensembleMemberId: Any = None  # noqa: N815
    ensembleMemberIndex: Any = None  # noqa: N815
    timeStep: _Step | None = None  # noqa: N815
    missVal: Number = float("nan")  # noqa: N815
    units: Text | None = None


class _Series(Answer):
    header: _Header
    events: list[Any] | None = None


class _File(Answer):
    timeZone: Number = 0.0  # noqa: N815
    timeSeries: list[Any]  # noqa: N815


class _Event(Answer):
    date: Stamp = ""
    time: Stamp = "00:00:00"
    value: Number = float("nan")
    flag: Annotated[int, BeforeValidator(_parse_flag_number)] = 0


def read_pi_json(path: Path, answer: object) -> pd.DataFrame:
    """Read PI-JSON.

    Parameters
    ----------
    path
        File.
    answer
        Decoded JSON with ``timeSeries``.

    Returns
    -------
    pandas.DataFrame
        As of :func:`pipeline.sources.gauges.gauge_files.read`. Flags 0 to 2 of FEWS (reliable) are
        ``good``, 3 to 5 (doubtful) ``estimated``, 6 to 8 (unreliable) ``suspect``; 9 is missing.

    Raises
    ------
    Skipped
        All series are forecasts, results of models or of parameters that the pipeline does not use.
    BadGranule
        A field is absent or of another type, or no series can be read.
    """
    file = validate(path, _File, answer)
    offset = _format_offset(path, file.timeZone)
    tally = Tally(path)
    parts = [
        partial(_read_series, path, tally, content, f"timeSeries.{number}", offset)
        for number, content in enumerate(file.timeSeries)
    ]
    return read_parts(path, tally, parts)


def read_pi_xml(path: Path, root: etree._Element) -> pd.DataFrame:
    """Read PI-XML; return values and errors are those of :func:`read_pi_json`.

    Parameters
    ----------
    path
        File.
    root
        Its root, from :func:`~pipeline.sources.gauges.decoding.decode_xml`.
    """
    answer: dict[str, Any] = {"timeSeries": []}
    for child in root:
        name = _local_name(child)
        if name == "timeZone":
            answer["timeZone"] = child.text
        elif name == "series":
            answer["timeSeries"].append(_xml_series(child))
    return read_pi_json(path, answer)


def _xml_series(element: etree._Element) -> dict[str, Any]:
    """Return the fields of a series in XML, named as in JSON."""
    header: dict[str, Any] = {}
    events = []
    for child in element:
        if _local_name(child) == "header":
            for field in child:
                header.setdefault(
                    _local_name(field), dict(field.attrib) or (field.text or "").strip()
                )
        elif _local_name(child) == "event":
            events.append(dict(child.attrib))
    return {"header": header, "events": events}


def _local_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _format_offset(path: Path, hours: float) -> str:
    """Format decimal hours from UTC as an offset, ``+06:30``."""
    minutes = round(hours * 60) if abs(hours) <= 14 else None
    if minutes is None:
        raise BadGranule(path, expected="a timeZone of -14 to 14 hours", found=str(hours))
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _read_series(path: Path, tally: Tally, content: object, at: str, offset: str) -> pd.DataFrame:
    """Return the readings of one series."""
    answer = validate(path, _Series, content, at=at)
    header = answer.header
    variable = _find_variable(path, header)
    unit, datum = _parse_unit(header.units or "")
    events = tally.points(_Event, answer.events or [], at=f"{at}.events")
    rows = pd.DataFrame(
        [
            (f"{event.date} {event.time}" if event.date else "", event.value, event.flag)
            for event in events
        ],
        columns=["time", "value", "flag"],
    )
    rows["value"] = rows["value"].astype("float64")
    rows["value"] = rows["value"].mask((rows["flag"] == 9) | (rows["value"] == header.missVal))
    rows = tally.timed(rows, offset=offset, like=_LIKE, at=header.locationId)
    frame = make_series(
        path,
        station=header.locationId,
        variable=variable,
        unit=unit,
        datum=datum,
        method=_find_method(header, rows["time"]),
        time=rows["time"],
        value=rows["value"],
        version=header.moduleInstanceId or "",
    )
    flag = rows["flag"].reindex(frame.index)
    has_value = frame["value"].notna()
    doubtful, unreliable = has_value & flag.between(3, 5), has_value & flag.between(6, 8)
    frame["qc"] = frame["qc"].mask(doubtful & (frame["qc"] == "good"), "estimated")
    frame["qc"] = frame["qc"].mask(unreliable, "suspect")
    return frame


def _find_variable(path: Path, header: _Header) -> str:
    """Find the variable of a series.

    Raises
    ------
    Skipped
        The series is a forecast, a model's, or of a parameter that the pipeline does not use.
    """
    members = (header.ensembleId, header.ensembleMemberId, header.ensembleMemberIndex)
    if header.forecastDate or any(str(member) not in {"None", "", "main"} for member in members):
        raise Skipped(f"{path.name}: {abbreviate(header.parameterId)} is a forecast, not observed")
    module = header.moduleInstanceId or ""
    imports = re.search(_IMPORTS, f"{module} {header.parameterId}", re.IGNORECASE)
    if module and (re.search(MODELS, module, re.IGNORECASE) or not imports):
        raise Skipped(
            f"{path.name}: module {abbreviate(module)} is not known to import observations"
        )
    name = header.parameterId
    variable = next(
        (key for key, words in _PARAMETERS if re.fullmatch(words, name, re.IGNORECASE)), None
    )
    qualifier = str(header.qualifierId or "")
    reason = explain_unused(f"{name} {qualifier}")
    if variable is None or reason:
        why = f": {reason}" if reason else ""
        raise Skipped(f"{path.name}: {abbreviate(name)} is not used{why}")
    if header.type.lower() in ({"mean"} if variable == "rain" else {"accumulative"}):
        raise Skipped(f"{path.name}: {abbreviate(header.type)} {variable} is not used")
    return variable


def _parse_unit(text: str) -> tuple[str, str]:
    """Parse unit and datum: ``m+MSL`` is metres above mean sea level."""
    above_sea = re.fullmatch(r"m ?\+? ?(?:a?msl)", text.strip(), re.IGNORECASE)
    return ("m", "msl") if above_sea else (normalize_unit(text), "gauge")


def _find_method(header: _Header, time: pd.Series[Any]) -> str:
    """Find the method of measurement from the type, the module's name, else from the step."""
    words = f"{header.moduleInstanceId or ''} {header.parameterId}".lower()
    if header.type.lower() == "mean" or "rated" in words or is_mean(header.parameterId):
        return "calculated"
    if "manual" in words or "observer" in words:
        return "manual"
    if re.search(r"telem|scada|sensor", words):
        return "telemetry"
    step = header.timeStep or _Step()
    lengths = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
    length = lengths.get(step.unit.lower())
    if length is not None:
        return "telemetry" if length * step.multiplier < _SENSOR_STEP_S else "manual"
    gaps = time.sort_values().diff().dt.total_seconds()
    return "telemetry" if float(gaps.median()) <= 3600 else "manual"
