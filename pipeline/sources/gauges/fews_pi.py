"""Series that Delft-FEWS exports through its published interface, in XML and in JSON.

Both have the same fields: a time zone in decimal hours for the whole file, and series with a
header and events. FEWS also exports what its models computed; only what was observed is read.
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
    number,
    read_parts,
    shown,
    typed,
)
from pipeline.sources.gauges.quantities import MODELS, is_mean, reason_unused
from pipeline.sources.gauges.series import series, unit_of

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
"""A step shorter than this is a sensor's: observers read twice a day, in a flood every 3 hours at
most, and then without a fixed step."""


def _flag_number(value: object) -> int:
    """Flag of an event; 0, original and reliable, where it has none."""
    found = number(value)
    if np.isnan(found):
        return 0
    if found not in range(10):
        raise ValueError("expected a flag of 0 to 9")
    return int(found)


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
    flag: Annotated[int, BeforeValidator(_flag_number)] = 0


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
        All series are forecasts, of models or of parameters that the pipeline does not use.
    BadGranule
        A field is absent or of another type, or no series can be read.
    """
    file = typed(path, _File, answer)
    offset = _offset(path, file.timeZone)
    tally = Tally(path)
    parts = [
        partial(_read, path, tally, given, f"timeSeries.{place}", offset)
        for place, given in enumerate(file.timeSeries)
    ]
    return read_parts(path, tally, parts)


def read_pi_xml(path: Path, root: etree._Element) -> pd.DataFrame:
    """Read PI-XML.

    What it returns and raises is that of :func:`read_pi_json`.

    Parameters
    ----------
    path, root
        File, and what :func:`~pipeline.sources.gauges.decoding.from_xml` finds in it.
    """
    answer: dict[str, Any] = {"timeSeries": []}
    for child in root:
        name = _local(child)
        if name == "timeZone":
            answer["timeZone"] = child.text
        elif name == "series":
            answer["timeSeries"].append(_xml_series(child))
    return read_pi_json(path, answer)


def _xml_series(element: etree._Element) -> dict[str, Any]:
    """Fields of a series in XML, named as in JSON."""
    header: dict[str, Any] = {}
    events = []
    for child in element:
        if _local(child) == "header":
            for field in child:
                header.setdefault(_local(field), dict(field.attrib) or (field.text or "").strip())
        elif _local(child) == "event":
            events.append(dict(child.attrib))
    return {"header": header, "events": events}


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _offset(path: Path, hours: float) -> str:
    """Offset from UTC of decimal hours, as ``+06:30``."""
    minutes = round(hours * 60) if abs(hours) <= 14 else None
    if minutes is None:
        raise BadGranule(path, expected="a timeZone of -14 to 14 hours", found=str(hours))
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _read(path: Path, tally: Tally, given: object, at: str, offset: str) -> pd.DataFrame:
    """Return the readings of one series."""
    made = typed(path, _Series, given, at=at)
    header = made.header
    variable = _variable(path, header)
    unit, datum = _unit(header.units or "")
    events = tally.points(_Event, made.events or [], at=f"{at}.events")
    rows = pd.DataFrame(
        [(f"{one.date} {one.time}" if one.date else "", one.value, one.flag) for one in events],
        columns=["time", "value", "flag"],
    )
    rows["value"] = rows["value"].astype("float64")
    rows["value"] = rows["value"].mask((rows["flag"] == 9) | (rows["value"] == header.missVal))
    rows = tally.timed(rows, offset=offset, like=_LIKE, at=header.locationId)
    frame = series(
        path,
        station=header.locationId,
        variable=variable,
        unit=unit,
        datum=datum,
        method=_method(header, rows["time"]),
        time=rows["time"],
        value=rows["value"],
        version=header.moduleInstanceId or "",
    )
    flag = rows["flag"].reindex(frame.index)
    known = frame["value"].notna()
    doubtful, unreliable = known & flag.between(3, 5), known & flag.between(6, 8)
    frame["qc"] = frame["qc"].mask(doubtful & (frame["qc"] == "good"), "estimated")
    frame["qc"] = frame["qc"].mask(unreliable, "suspect")
    return frame


def _variable(path: Path, header: _Header) -> str:
    """Variable of a series.

    Raises
    ------
    Skipped
        It is a forecast or a model's, or of a parameter that the pipeline does not use.
    """
    member = (header.ensembleId, header.ensembleMemberId, header.ensembleMemberIndex)
    if header.forecastDate or any(str(one) not in {"None", "", "main"} for one in member):
        raise Skipped(f"{path.name}: {shown(header.parameterId)} is a forecast, not observed")
    module = header.moduleInstanceId or ""
    told = re.search(_IMPORTS, f"{module} {header.parameterId}", re.IGNORECASE)
    if module and (re.search(MODELS, module, re.IGNORECASE) or not told):
        raise Skipped(f"{path.name}: module {shown(module)} is not known to import observations")
    name = header.parameterId
    variable = next(
        (one for one, words in _PARAMETERS if re.fullmatch(words, name, re.IGNORECASE)), None
    )
    qualifier = str(header.qualifierId or "")
    reason = reason_unused(f"{name} {qualifier}")
    if variable is None or reason:
        why = f": {reason}" if reason else ""
        raise Skipped(f"{path.name}: {shown(name)} is not used{why}")
    if header.type.lower() in ({"mean"} if variable == "rain" else {"accumulative"}):
        raise Skipped(f"{path.name}: {shown(header.type)} {variable} is not used")
    return variable


def _unit(text: str) -> tuple[str, str]:
    """Return unit and datum: ``m+MSL`` is metres above mean sea level."""
    above_sea = re.fullmatch(r"m ?\+? ?(?:a?msl)", text.strip(), re.IGNORECASE)
    return ("m", "msl") if above_sea else (unit_of(text), "gauge")


def _method(header: _Header, time: pd.Series[Any]) -> str:
    """How the values were got: from the type, the module's name, else from the step."""
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
