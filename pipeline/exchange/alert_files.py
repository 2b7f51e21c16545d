"""The files of alerts beside the CAP messages: GeoJSON and CSV.

* ``alerts.geojson`` (RFC 7946): one Point per city and hazard, id ``<city>-<hazard>``, properties
  as :func:`pipeline.alerts.facts.collect_facts`; null is not known.
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
from typing import Any

from pipeline.alerts.facts import Fact
from pipeline.alerts.levels import Level
from pipeline.alerts.text import describe_unassessed


def dump_json(document: Mapping[str, Any]) -> bytes:
    """Write a JSON document in UTF-8, a value to a line."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode() + b"\n"


def write_geojson(rows: Sequence[Mapping[str, Fact]]) -> bytes:
    """Write rows as a GeoJSON feature collection, RFC 7946."""
    features = [
        {
            "type": "Feature",
            "id": f"{row['city']}-{row['hazard']}",
            "geometry": {"type": "Point", "coordinates": [row["lon_deg"], row["lat_deg"]]},
            "properties": row,
        }
        for row in rows
    ]
    return dump_json({"type": "FeatureCollection", "features": features})


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
        **dict.fromkeys(("urgency", "severity", "certainty"), "Unknown"),
        "headline": describe_unassessed(
            str(row["hazard"]), str(row["name"]), status=str(row["status"])
        ),
        "identifier": None,
        **dict.fromkeys(("onset", "ending_time", "change", "incident")),
        "reasons": ["cancelled"],
    }
