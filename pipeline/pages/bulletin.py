"""The bulletin of a morning: the basin on three A4 pages, in English, to hand round."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from pipeline.alerts.formats import number_level
from pipeline.alerts.levels import RAISED, Level
from pipeline.exchange.forecast_files import list_by_gauge, read_table
from pipeline.figures.basin_map import RANK, Spot, draw_basin_map
from pipeline.geography import places
from pipeline.geography.names import country_name
from pipeline.pages.basin import read_layers
from pipeline.pages.edition import Edition
from pipeline.pages.frame import environment, frame
from pipeline.pages.hazards import HAZARDS, describe_hazard, list_hazards
from pipeline.pages.river import River, write_percent
from pipeline.settings import Settings

LANGUAGE = "en"
CLOCK = timezone(timedelta(hours=7))
"""Clock of the basin but for China and Myanmar."""
MOST_EVENTS, MOST_MISSING = 60, 12
"""Rows that the pages have room for; how many more there are is said."""
FANS_MM, FAN_MM, GAUGE_MM, FANS_A_ROW = 231.0, 32.1, 3.75, 4
"""Height of the gauges and their figures, of a row of figures and of a gauge."""
TIERS = {
    "full": "all", "gk2a_rain": "GK2A rain", "no_rain": "no rain", "no_upstream": "no upstr.",
    "own_stage": "own stage", "climatology": "none",
}  # fmt: skip
"""What a forecast had for inputs."""
INFORMED = TIERS.keys() - {"climatology"}
"""Inputs of forecasts whose chances are told."""
DASH = "–"


def write_bulletin(edition: Edition, *, settings: Settings) -> bytes:
    """Write the bulletin: map and open events, all gauges, rain and drought of all cities.

    Parameters
    ----------
    edition
        Published tree.
    settings
        Whom to ask.

    Returns
    -------
    bytes
        HTML in UTF-8 that needs no other file and prints on three A4 pages.
    """
    events = sorted(_list_events(edition), key=lambda event: (-event["rank"], event["city"]))
    tables = {
        hazard: [event for event in events[:MOST_EVENTS] if event["hazard"] == hazard]
        for hazard in HAZARDS
    }
    listed = dict.fromkeys(event["id"] for table in tables.values() for event in table)
    numbers = {city: number for number, city in enumerate(listed, 1)}
    gauges, fans = [*_list_gauges(edition)], [*_list_fans(edition, events)]
    rows = max(0.0, FANS_MM - GAUGE_MM * len(gauges)) // FAN_MM
    most_fans = FANS_A_ROW * int(rows)
    missing = list(dict.fromkeys(row["text"] for row in edition.index["missing"]))
    return (
        environment()
        .get_template("bulletin.html.jinja")
        .render(
            {
                **frame(edition, LANGUAGE),
                "date": f"{edition.issue_time.astimezone(CLOCK):%A, %-d %B %Y}",
                "made": _write_moment(edition.issue_time),
                "holds": _write_moment(edition.expires_at),
                "version": edition.version,
                "origin": edition.index["origin"],
                "map": draw_basin_map(
                    read_layers(), _list_spots(edition, numbers), alt="Cities with their levels"
                ),
                "legend": [*reversed(RANK)],
                "counts": _count(edition),
                "events": tables,
                "numbers": numbers,
                "more_events": max(0, len(events) - MOST_EVENTS),
                "gauges": gauges,
                "fans": fans[:most_fans],
                "more_fans": max(0, len(fans) - most_fans),
                "cities": _list_cities(edition),
                "missing": missing[:MOST_MISSING],
                "more_missing": max(0, len(missing) - MOST_MISSING),
                "contact": settings.alert_contact,
            }
        )
        .encode()
    )


def _write_moment(moment: datetime) -> str:
    return f"{moment.astimezone(CLOCK):%-d %b %H:%M}"


def _describe_levels(edition: Edition, city: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {hazard["hazard"]: hazard for hazard in list_hazards(edition, city, LANGUAGE)}


def _list_events(edition: Edition) -> Iterator[dict[str, Any]]:
    """List what is in force, with the figures of its hazard."""
    for city in edition.cities.values():
        for hazard, level in _describe_levels(edition, city).items():
            if level["level"] not in RAISED:
                continue
            row = city[hazard]
            event = level | {
                "id": city["id"], "country": city["country"],
                "city": city["name"] + (" (test)" if row["status"] != edition.status else ""),
                "number": number_level(Level(level["level"])), "change": row["change"] or "",
                "held": bool(level["held"]),
            }  # fmt: skip
            if hazard == "flood":
                known = bool(city["gauge"] and River(city, edition, LANGUAGE).days)
                peak = row["peak_m"] if known else None
                date = _write_day(row["peak_time"]) if peak is not None else DASH
                if city["stage"] and peak is not None and city["stage"]["m"] >= peak:
                    peak, date = city["stage"]["m"], "now"
                event |= {
                    "peak": _write_metres(peak),
                    "date": date,
                    "against": _tell_against(city, peak),
                    "alarm": write_percent(row["p_alarm_7d"] if known else None),
                    "flood": write_percent(row["p_flood_5d"] if known else None),
                }
            else:
                event |= {
                    "class": _write_class(row["drought_class"]),
                    "phase": (row["drought_phase"] or "").replace("_", " "),
                    "d1": write_percent(row["p_d1"]["4w"]),
                    "d2": write_percent(row["p_d2"]["4w"]),
                }
            yield event


def _tell_against(city: dict[str, Any], peak_m: float | None) -> str:
    """Tell the highest stage against flood stage, or alarm stage below that; else the rain."""
    marks = city["marks"] or {}
    for mark in ("flood", "alarm"):
        stage = marks.get(mark)
        if peak_m is not None and stage is not None and (peak_m >= stage or mark == "alarm"):
            return f"{peak_m - stage:+z.2f} {mark}"
    years = _write_years(city["flood"]["rain_return_period_years"])
    return f"rain of {years} years" if years != DASH else DASH


def _list_spots(edition: Edition, numbers: dict[str, int]) -> list[Spot]:
    spots = []
    for city in edition.cities.values():
        levels = _describe_levels(edition, city)
        worst = max(levels.values(), key=lambda level: level["rank"])
        dry = "drought" in levels and levels["drought"]["level"] in RAISED
        spots.append(
            Spot(
                city["lat"], city["lon"], f"#{city['id']}", f"{city['name']}: {worst['word']}",
                worst["level"], drought=dry, number=str(numbers.get(city["id"], "")),
                partly=worst["partly"],
            )
        )  # fmt: skip
    return spots


def _count(edition: Edition) -> list[dict[str, Any]]:
    """Count the cities of each country by hazard and level, and all of them."""
    counts = Counter[tuple[str, str, str]]()
    for city in edition.cities.values():
        for hazard, level in _describe_levels(edition, city).items():
            for country in (country_name(city["country"]), "All"):
                counts[country, hazard, level["level"]] += 1
    names = sorted({country for country, _, _ in counts}, key=lambda name: (name == "All", name))
    return [
        {
            "country": country,
            **{
                hazard: [(level, counts[country, hazard, level]) for level in reversed(RANK)]
                for hazard in HAZARDS
            },
        }
        for country in names
    ]


def _list_gauges(edition: Edition) -> Iterator[dict[str, Any]]:
    """List all gauges of the forecasts: stage, change, marks, seven days and chances."""
    features = json.loads((edition.folder / "alerts.geojson").read_bytes())["features"]
    facts = {row["station"]: row for row in (f["properties"] for f in features) if row["station"]}
    stages = list_by_gauge(read_table((edition.folder / "stages.csv").read_bytes()))
    forecasts = list_by_gauge(read_table((edition.folder / "forecasts.csv").read_bytes()))
    known = places.stations(asof=edition.issue_time)
    continued = {known[code].replaced_by for code in forecasts if code in known}
    for code, days in forecasts.items():
        if code in continued:
            continue  # its readings stand at the gauge that it replaced
        row, city, gauge = facts.get(code, {}), edition.gauges.get(code), known.get(code)
        last: dict[str, Any] = (stages.get(code) or [{}])[-1]
        stage = row.get("stage_m", last.get("stage_m"))
        time = row.get("stage_time", last.get("valid_time"))
        skilful = days[0]["skilful_until_day"]
        level = describe_hazard(edition, city, "flood", LANGUAGE)["level"] if city else ""
        assessed = (
            bool(River(city, edition, LANGUAGE).days) if city else days[0]["tier"] in INFORMED
        )
        yield {
            "name": days[0]["station_name"] or code,
            "code": code,
            "country": gauge.country if gauge else "",
            "level": level,
            "stage": _write_metres(stage),
            "time": f"{datetime.fromisoformat(time).astimezone(CLOCK):%-d/%-m %H:%M}"
            if time
            else DASH,
            "change": f"{row['change_1d_m']:+.2f}" if row.get("change_1d_m") is not None else DASH,
            "alarm": _write_metres(days[0]["alarm_m"]),
            "flood": _write_metres(days[0]["flood_m"]),
            "days": [
                {
                    "stage": _write_metres(day["q50_m"]),
                    "over": _name_reached(day["q50_m"], days[0]),
                    "skilful": skilful is not None and day["lead_days"] <= skilful,
                }
                for day in days
            ],
            "p_alarm": write_percent(days[-1]["p_alarm_by"] if assessed else None),
            "p_flood": write_percent(days[-1]["p_flood_by"] if assessed else None),
            "inputs": TIERS.get(days[0]["tier"] or "climatology", days[0]["tier"]),
            "skilful": DASH if skilful is None else f"{skilful:.0f}",
        }


def _name_reached(stage_m: float | None, marks: dict[str, Any]) -> str:
    """Name the highest mark that a stage reaches; empty for none."""
    return next(
        (
            mark
            for mark in ("flood", "alarm")
            if stage_m is not None
            and marks[f"{mark}_m"] is not None
            and stage_m >= marks[f"{mark}_m"]
        ),
        "",
    )


def _list_fans(edition: Edition, events: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """List the figures of gauges with a flood warning, the most urgent first."""
    for event in events:
        city = edition.cities[event["id"]]
        if event["hazard"] == "flood" and city["gauge"]:
            fan = River(city, edition, LANGUAGE).draw_fan()
            if fan:
                yield event | {"fan": fan}


def _list_cities(edition: Edition) -> list[dict[str, Any]]:
    """List rain and drought of all cities, by country and name."""
    rows = []
    for city in edition.cities.values():
        flood, drought = city["flood"] or {}, city.get("drought")
        levels = _describe_levels(edition, city)
        index = flood.get("pluvial_index")
        row = {
            "id": city["id"],
            "name": city["name"],
            "country": country_name(city["country"]),
            "flood": levels["flood"]["level"] if "flood" in levels else "",
            "partly": "flood" in levels and levels["flood"]["partly"],
            "drought": levels["drought"]["level"] if "drought" in levels else "",
            "years": _write_years(flood.get("rain_return_period_years")),
            "index": _write_number(index, ".2f"),
            "product": (flood.get("rain_tier") or DASH).upper(),
        }
        if drought is not None:
            row |= {
                "class": _write_class(drought["drought_class"]),
                "phase": (drought["drought_phase"] or "").replace("_", " "),
                "spi3": _write_number(drought["spi3"], "+z.1f"),
                "soil": _write_number(drought["soil_moisture_percentile"], ".0f"),
                "vhi": _write_number(drought["vhi_percent"], ".0f"),
                "d1": [write_percent(drought["p_d1"][week]) for week in ("1w", "4w", "12w")],
                "d2": write_percent(drought["p_d2"]["4w"]),
            }
        rows.append(row)
    return sorted(rows, key=lambda row: (row["country"], row["name"]))


def _write_metres(stage_m: float | None) -> str:
    return _write_number(stage_m, "z.2f")


def _write_number(value: float | None, form: str) -> str:
    return DASH if value is None else format(value, form)


def _write_years(years: float | None) -> str:
    """Write a return period.

    Examples
    --------
    >>> [_write_years(years) for years in (1.2, 5.7, 250.0, None)]
    ['< 2', '6', '> 100', '–']
    """
    if years is None:
        return DASH
    return "< 2" if years < 2.0 else "> 100" if years > 100.0 else f"{years:.0f}"


def _write_class(name: str | None) -> str:
    """Write a class of drought as short as its table has it; a dash where it is not known."""
    return DASH if name is None else "none" if name == "none" else name.upper()


def _write_day(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(CLOCK):%-d %b}"
