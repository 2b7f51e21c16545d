"""The feeds beside the CAP messages: GeoJSON, CSV and the index of a published tree.

Contract, version 1 (``SCHEMA_VERSION``):

* ``alerts.geojson`` (RFC 7946): one Point per city and hazard, id ``<city>-<hazard>``, properties
  as :func:`facts`; null is not known.
* ``alerts.csv``: the same, one row per city and hazard, an empty field is not known; lists are
  joined by spaces, what was missing by semicolons.
* ``index.json``: what was issued, from what, and the SHA-256 of every other file.

``level`` is ``none`` only where the evidence sufficed; ``unknown`` is neither safe nor a warning,
and ``level_in_force`` then names the level that still stands, if one does. ``river_level`` and
``rain_level`` say what each line of evidence of a flood comes to by itself.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pipeline.alerts.decision import Decision, status_of
from pipeline.alerts.evidence import DRIVERS, Level
from pipeline.alerts.text import headline, missing_words
from pipeline.sources.base import Origin

SCHEMA_VERSION = 1
Fact = str | float | int | bool | list[str] | None


def stamp(moment: datetime) -> str:
    """Moment in UTC as feeds and names of messages write it.

    Examples
    --------
    >>> stamp(datetime(2026, 8, 20, 0, 30, tzinfo=UTC))
    '2026-08-20T00:30:00Z'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def facts(decision: Decision, *, identifier: str | None, status: str) -> dict[str, Fact]:
    """Flat facts of a decision, units in the names, None for what is not known.

    Parameters
    ----------
    decision
        The decision.
    identifier
        CAP message in force, if there is one.
    status
        CAP status.
    """
    city, station, river = decision.city, decision.station, decision.river
    peak = river.peak if river else None
    rain, drought = decision.rain, decision.drought
    found: dict[str, Fact] = {
        "status": status,
        "issue_time": stamp(decision.issue_time),
        "city": city.id,
        "name": city.name,
        "country": city.country,
        "lat_deg": city.lat,
        "lon_deg": city.lon,
        "hazard": decision.hazard,
        "level": decision.level.value,
        "level_in_force": decision.in_force.value,
        "river_level": decision.river_level.value if decision.river_level else None,
        "rain_level": decision.rain_level.value if decision.rain_level else None,
        "headline": headline(decision, event=decision.in_force),
        "identifier": identifier,
        "urgency": decision.urgency,
        "severity": decision.severity,
        "certainty": decision.certainty,
        "probability": decision.probability,
        "onset": stamp(decision.onset) if decision.onset else None,
        "valid_to": stamp(decision.valid_to),
        "reasons": list(decision.reasons),
        "missing": missing_words(decision.missing),
        "tier": river.tier if river else drought.tier if drought else None,
        "station": station.code if station else None,
        "alarm_m": station.alarm_m if station else None,
        "flood_m": station.flood_m if station else None,
        "threshold_verified": station.threshold_verified if station else None,
        "stage_m": river.stage_m if river else None,
        "stage_time": stamp(river.stage_time) if river and river.stage_time else None,
        "change_1d_m": river.change_1d_m if river else None,
        "p_alarm_7d": river.p_by("alarm", 7) if river else None,
        "p_flood_5d": river.p_by("flood", 5) if river else None,
        "p_flood_2d": river.p_by("flood", 2) if river else None,
        "peak_m": peak.q50_m if peak else None,
        "peak_q05_m": peak.q05_m if peak else None,
        "peak_q95_m": peak.q95_m if peak else None,
        "peak_time": stamp(peak.valid_time) if peak else None,
        "extrapolated": any(lead.extrapolated for lead in river.leads) if river else None,
        "rain_return_period_years": rain.return_period_years if rain else None,
        "pluvial_index": rain.pluvial_index if rain else None,
        "rain_tier": (rain.tier or None) if rain else None,
        "rain_log_error": rain.log_error if rain else None,
        "drought_class": _drought_class(decision),
        "cdi": drought.cdi if drought else None,
        "spi1": drought.spi1 if drought else None,
        "spi3": drought.spi3 if drought else None,
        "soil_moisture_percentile": drought.soil_moisture_percentile if drought else None,
        "vhi_percent": drought.vhi if drought else None,
        "stands_in": list(drought.stands_in) if drought else None,
    }
    for number in (1, 2, 3):
        for weeks in (1, 4, 12):
            key = f"p_d{number}_{weeks}w"
            found[key] = drought.p_class(number, weeks) if drought else None
    for name in DRIVERS:
        found[f"driver_{name}_cm"] = peak.drivers_cm.get(name) if peak else None
    low = decision.low_flow
    found["low_flow_class"] = _name(low.current_class) if low else None
    for weeks in (1, 4, 8, 12):
        found[f"p_low_flow_{weeks}w"] = low.p_d1.get(weeks) if low else None
    found["p_below_6a_4w"] = low.p_below_6a.get(4) if low else None
    track = decision.track
    found["track_since"] = stamp(track.since) if track else None
    found["track_issued"] = track.issued if track else None
    found["track_came_true"] = track.came_true if track else None
    found["track_of_city"] = track.of_city if track else None
    return {key: _known(value) for key, value in found.items()}


def _drought_class(decision: Decision) -> str | None:
    """Class now; D4 is never told from D3."""
    now = decision.drought.current_class if decision.drought else None
    return None if now is None else _name(min(now, 3))


def _name(number: int | None) -> str | None:
    return None if number is None else "none" if number < 0 else f"D{number}"


def _known(value: Fact) -> Fact:
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else round(value, 6)


def _dump(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode() + b"\n"


def rows(
    decisions: Sequence[Decision],
    messages: Mapping[tuple[str, str], str],
    *,
    origin: Origin,
    wanted: Literal["Actual", "Test"],
) -> list[dict[str, Fact]]:
    """Facts of every city and hazard, in the order of their ids.

    Parameters
    ----------
    decisions
        One per city and hazard.
    messages
        Identifier of the CAP message in force, by city and hazard, where there is one.
    origin, wanted
        As for :func:`pipeline.alerts.decision.status_of`.

    Raises
    ------
    ValueError
        A city and hazard is there twice.
    """
    keys = [(one.city.id, one.hazard) for one in decisions]
    if len(set(keys)) != len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"expected each city and hazard once, found twice {twice}")
    return [
        facts(
            one,
            identifier=messages.get((one.city.id, one.hazard)),
            status=status_of(one, origin=origin, wanted=wanted),
        )
        for one in sorted(decisions, key=lambda one: (one.city.id, one.hazard))
    ]


def geojson(found: Sequence[Mapping[str, Fact]]) -> bytes:
    """Rows as a GeoJSON feature collection, RFC 7946."""
    features = [
        {
            "type": "Feature",
            "id": f"{row['city']}-{row['hazard']}",
            "geometry": {"type": "Point", "coordinates": [row["lon_deg"], row["lat_deg"]]},
            "properties": row,
        }
        for row in found
    ]
    return _dump({"type": "FeatureCollection", "features": features})


def table(found: Sequence[Mapping[str, Fact]]) -> bytes:
    """Rows as CSV with a header line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if found:
        writer.writerow(found[0])
    for row in found:
        writer.writerow([_field(key, value) for key, value in row.items()])
    return stream.getvalue().encode()


def _field(key: str, value: Fact) -> str | float | int:
    if isinstance(value, list):
        return ("; " if key == "missing" else " ").join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def index(
    decisions: Sequence[Decision],
    files: Mapping[str, bytes],
    *,
    issue_time: datetime,
    revision: int,
    status: str,
    origin: str,
    inputs: Mapping[str, str],
    missing: Sequence[str],
    archive_snapshot: str,
    records_batch: int,
    model_version: str,
) -> bytes:
    """Index of a published tree.

    Parameters
    ----------
    decisions
        All decisions, for the counts per level.
    files
        Every other file of the tree by its path.
    issue_time, revision
        The run.
    status, origin
        CAP status, and whether virtual or measured data went in.
    inputs
        Name of each input file to its SHA-256.
    missing
        Inputs that were expected and not there, in plain words.
    archive_snapshot, records_batch, model_version
        What a replay must name.
    """
    if origin == "virtual" and status != "Exercise":
        raise ValueError(f"expected status Exercise for virtual data, found {status}")
    levels = {
        hazard: {
            level.value: sum(one.level is level and one.hazard == hazard for one in decisions)
            for level in Level
        }
        for hazard in ("flood", "drought")
    }
    return _dump(
        {
            "schema_version": SCHEMA_VERSION,
            "issue_time": stamp(issue_time),
            "revision": revision,
            "status": status,
            "origin": origin,
            "archive_snapshot": archive_snapshot,
            "records_batch": records_batch,
            "model_version": model_version,
            "levels": levels,
            "missing": list(missing),
            "inputs": dict(sorted(inputs.items())),
            "files": {
                path: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                for path, data in sorted(files.items())
            },
        }
    )
