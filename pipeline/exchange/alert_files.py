"""The files of alerts beside the CAP messages: GeoJSON and CSV.

* ``alerts.geojson`` (RFC 7946): one feature per city and hazard, a line each, with the area of the
  city's messages, id ``<city>-<hazard>``, properties as
  :func:`pipeline.alerts.facts.collect_facts`; null is not known. The collection has the members
  ``schema_version``, ``issue_time`` and ``status``, the highest that a message of the run may
  carry.
* ``alerts.csv``: the same, one row per city and hazard, an empty field is not known; lists are
  joined by spaces, the missing evidence by semicolons.

``level`` is ``none`` only where the evidence sufficed; ``unknown`` is neither safe nor a warning,
and ``level_in_force`` then names the level that is still in force, if one is. ``river_level`` and
``rain_level`` are the levels from each line of evidence of a flood alone.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from shapely.geometry import Polygon
from shapely.geometry.polygon import orient

from pipeline.alerts.facts import LIFETIME, Fact
from pipeline.alerts.levels import Level
from pipeline.alerts.text import describe_unassessed
from pipeline.exchange.schema import SCHEMA_VERSION
from pipeline.geography.city_areas import DECIMALS
from pipeline.times import format_utc


def dump_json(document: Mapping[str, Any]) -> bytes:
    """Write a JSON document in UTF-8, a value to a line."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode() + b"\n"


def write_geojson(
    rows: Sequence[Mapping[str, Fact]],
    *,
    issue_time: datetime,
    status: str,
    areas: Mapping[str, Polygon],
) -> bytes:
    """Write rows as a GeoJSON feature collection, RFC 7946.

    Parameters
    ----------
    rows
        From :func:`pipeline.alerts.facts.collect_rows`.
    issue_time
        Moment of the run.
    status
        CAP status that a message of the run may carry at most.
    areas
        Area of the messages of each city by its id, degrees on WGS 84; a city without one has a
        Point.
    """
    features = [
        {
            "type": "Feature",
            "id": f"{row['city']}-{row['hazard']}",
            "geometry": _describe_geometry(row, areas.get(str(row["city"]))),
            "properties": row,
        }
        for row in rows
    ]
    return dump_collection(
        {
            "type": "FeatureCollection",
            "schema_version": SCHEMA_VERSION,
            "issue_time": format_utc(issue_time),
            "status": status,
            "expires_at": format_utc(issue_time + LIFETIME),
            "features": features,
        }
    )


def _describe_geometry(row: Mapping[str, Fact], area: Polygon | None) -> dict[str, Any]:
    """Geometry of a feature: rings counterclockwise, four decimals of a degree."""
    if area is None:
        return {"type": "Point", "coordinates": [row["lon_deg"], row["lat_deg"]]}
    ring = np.asarray(orient(area).exterior.coords)[:, :2].round(DECIMALS)
    return {"type": "Polygon", "coordinates": [ring.tolist()]}


def dump_collection(collection: Mapping[str, Any]) -> bytes:
    """Write a feature collection as JSON in UTF-8, a feature to a line."""
    head = {key: value for key, value in collection.items() if key != "features"}
    features = [_dump_line(feature) for feature in collection["features"]]
    body = ",\n".join(features)
    return f'{_dump_line(head)[:-1]}, "features": [\n{body}\n]}}\n'.encode()


def _dump_line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def write_csv(rows: Sequence[Mapping[str, Fact]], columns: Sequence[str] = ()) -> bytes:
    """Write rows as CSV with a header line, of ``columns`` even where there are no rows."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    header = columns or [key for row in rows[:1] for key in row]
    if header:
        writer.writerow(header)
    for row in rows:
        writer.writerow([_format_field(key, row[key]) for key in header])
    return stream.getvalue().encode()


def _format_field(key: str, value: Fact) -> str | float | int:
    if isinstance(value, list):
        return ("; " if key == "missing" else " ").join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def withdraw_facts(row: Mapping[str, Any]) -> dict[str, Fact]:
    """Facts of a city and hazard after its message in force was withdrawn."""
    unknown = ["level", "level_in_force"]
    unknown += [key for key in ("river_level", "rain_level") if row[key] is not None]
    return {
        **dict.fromkeys(unknown, Level.UNKNOWN.value),
        "headline": describe_unassessed(
            str(row["hazard"]), str(row["name"]), status=str(row["status"])
        ),
        "identifier": None,
        **dict.fromkeys(("urgency", "severity", "certainty")),
        **dict.fromkeys(("onset", "ending_time", "change", "incident")),
        "reasons": ["cancelled"],
    }
