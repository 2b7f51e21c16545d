"""Explain the published decision of a night for one city and hazard, in at most ten lines."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr
from scipy.special import ndtr, ndtri

from pipeline.alerts.drought import DROUGHT_CLASS, DROUGHT_WEEKS, confirmed_class
from pipeline.alerts.gauge_criteria import HORIZON_D, THRESHOLD_STAGE
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.thresholds import Rules, rules_for, stable_band_m
from pipeline.exchange.publication import folder_name
from pipeline.indices.drought import CDI, DRY_MONTHS, PERCENTILE_BOUNDS, SPI_BOUNDS
from pipeline.storage import database

if TYPE_CHECKING:
    from pipeline.alerts.decision import Hazard
    from pipeline.storage.records import Records

SOIL_LIMIT = 3.0
"""Bound of soil moisture on the normal scale, as in the drought score."""
REASONS = {
    "seen_flood": "the river is at or above flood stage",
    "seen_alarm_rising": "the river is at or above alarm stage and rises",
    "seen_alarm": "the river is at or above alarm stage",
    "seen_unconfirmed": "one reading, not confirmed yet, is above alarm stage",
    "p_flood_2d": "P(flood stage in 2 days) is enough",
    "p_flood_5d": "P(flood stage in 5 days) is enough",
    "p_alarm_7d": "P(alarm stage in 7 days) is enough",
    "rain": "the rain over the city is rare enough",
    "class_d1": "the class is D1",
    "class_d2": "the class is D2",
    "class_d3": "the class is D3 or drier",
    "cdi": "the combined indicator (CDI) is in deficit",
    "p_d1": "P(D1) is enough",
    "p_d2": "P(D2) is enough",
    "p_d3": "P(D3) is enough",
    "held": "no criterion of this night reaches the level; it is kept until its end is confirmed",
    "cannot_assess": "too little is known to assess it",
    "cancelled": "its message was withdrawn",
}
"""Words for the reasons of a decision."""


NEW_ZONE = (
    "the models were trained without 20 years of this place's record, so that its drought and the "
    "rarity of its rain are not known."
)
"""Why a city that is new in the tables has no indices."""


@dataclass(frozen=True)
class _Night:
    """Published row of one city and hazard, and what the night stored beside it."""

    row: Mapping[str, str]
    other: Mapping[str, str]
    runs_down: Mapping[str, int]
    score: float
    month: int
    new_zone: bool
    rules: Rules

    def number(self, name: str) -> float:
        """Value of a column, NaN where it is empty."""
        return float(self.row[name]) if self.row[name] else math.nan

    @property
    def in_force(self) -> Level:
        return Level(self.row["level_in_force"])


def find_night(published: Path, asof: datetime) -> Path:
    """Find the last published folder of a day: a night that waited for rain is issued later.

    Raises
    ------
    LookupError
        No night of that day was published; the message has the days that are near.
    """
    nights = [index.parent for index in published.glob(f"{asof:%Y%m%d}T*/index.json")]
    if not nights:
        days = {
            datetime.strptime(path.parent.name[:8], "%Y%m%d").replace(tzinfo=UTC)
            for path in published.glob("2*T*/index.json")
        }
        near = sorted(sorted(days, key=lambda day: abs(day - asof))[:3])
        hint = f"; near: {', '.join(f'{day:%Y-%m-%d}' for day in near)}" if near else ""
        raise LookupError(
            f"expected a night published in {published / folder_name(asof)}, found none{hint}"
        )
    return max(nights)


def explain_decision(
    folder: Path, records: Records, *, city: str, hazard: Hazard
) -> tuple[str, ...]:
    """Explain a published decision: each ingredient, the rule that fired, what would change it.

    Parameters
    ----------
    folder
        Published folder of the night.
    records
        Tables with the alerts of the night.
    city, hazard
        Id of the city, and the hazard.

    Returns
    -------
    tuple of str
        At most ten lines; the class of a drought takes five. Thresholds are those of the night.

    Raises
    ------
    LookupError
        The city was not assessed that night.
    """
    night = _read_night(folder, records, city=city, hazard=hazard)
    explain = _explain_drought if hazard == "drought" else _explain_flood
    new = ("New: " + NEW_ZONE,) if night.new_zone else ()
    return (_title(night), *explain(night), *new, _other_hazard(night))


def _read_night(folder: Path, records: Records, *, city: str, hazard: str) -> _Night:
    tree = folder.resolve()  # once: the link may point to another while the files are read
    with (tree / "alerts.csv").open(encoding="utf-8", newline="") as stream:
        all_rows = list(csv.DictReader(stream))
    rows = {row["hazard"]: row for row in all_rows if row["city"] == city}
    if not rows:
        known = dict.fromkeys(row["city"] for row in all_rows)
        raise LookupError(f"city: expected one of {', '.join(known)}, found {city!r}")
    index = json.loads((tree / "index.json").read_text(encoding="utf-8"))
    asof = datetime.fromisoformat(index["issue_time"])
    memory = next(
        (
            alert["memory"]
            for alert in records.get(database.alerts, asof, index["revision"])
            if (alert["city"], alert["hazard"]) == (city, hazard)
        ),
        dict[str, Any](),
    )
    (other,) = (row for name, row in rows.items() if name != hazard)
    return _Night(
        row=rows[hazard],
        other=other,
        runs_down=memory.get("runs_down", {}),
        score=_read_score(tree / "risk.nc", city),
        month=asof.month,
        new_zone=any(
            remark["code"] == "zone_new" and f"(city:{city})" in remark["text"]
            for remark in index["missing"]
        ),
        rules=rules_for(city, asof=asof),
    )


def _read_score(path: Path, city: str) -> float:
    """Read the drought score of the last day; NaN where none was published."""
    if not path.is_file():
        return math.nan
    with xr.open_dataset(path) as ds:
        zone = f"city:{city}"
        if "drought_score" not in ds or zone not in ds["zone"].values:
            return math.nan
        return float(ds["drought_score"].sel(zone=zone).isel(time=-1))


def _title(night: _Night) -> str:
    row = night.row
    line = f"{row['status']}: {row['name']} {row['country']}, {row['hazard']}, "
    line += f"issued {row['issue_time']}: {row['level'].upper()}"
    if row["level"] != row["level_in_force"]:
        line += f", {row['level_in_force'].upper()} stays in force"
    return line + (f"; missing: {row['missing']}" if row["missing"] else "")


def _other_hazard(night: _Night) -> str:
    other = night.other
    return f"The city's {other['hazard']} level that night: {other['level_in_force'].upper()}."


def _explain_drought(night: _Night) -> Iterator[str]:
    rain, soil = night.number("spi3"), night.number("soil_moisture_percentile")
    yield from _explain_class(night, rain, soil)
    chances = ", ".join(
        f"{name} {_percent(night.number(f'p_{name.lower()}_4w'))}" for name in ("D1", "D2", "D3")
    )
    enough = _percent(night.rules.drought_p)
    deficits = {"watch": "rain", "warning": "rain and soil", "alert": "rain, soil and vegetation"}
    cdi = night.row["cdi"] or "unknown"
    detail = f" (deficit of {deficits[cdi]})" if cdi in deficits else ""
    yield (
        f"Beside it: P({DROUGHT_WEEKS} weeks) {chances}, {enough} is enough; combined indicator "
        f"(CDI) {cdi}{detail}."
    )
    yield (
        f"Rule: {_reasons(night)}. Watch from D1 or CDI {CDI[1]}, Warning from D2 or CDI {CDI[2]}, "
        "Emergency from D3."
    )
    if night.in_force in RAISED:
        number = DROUGHT_CLASS[night.in_force]
        below = _percent(night.rules.lower_factor * night.rules.drought_p)
        by_cdi = " and the CDI below it" if night.in_force is not Level.EMERGENCY else ""
        yield _ends(night, f"the class less dry than D{number}{by_cdi} and P(D{number}) < {below}")


def _explain_class(night: _Night, rain: float, soil: float) -> Iterator[str]:
    """Explain the drought class in five lines."""
    if math.isnan(rain):
        yield "Rain: the SPI of 90 days is not known."
    else:
        share = _percent(float(ndtr(rain)))
        alone = _name(rain, SPI_BOUNDS)
        yield f"Rain: SPI-3 {rain:.2f}, as dry in {share} of years: {alone} alone."
    if math.isnan(soil):
        yield "Soil: its moisture is not known; the class is that of rain alone."
    else:
        by = f" (from {night.row['stands_in']})" if "smap" in night.row["stands_in"] else ""
        alone = _name(soil, PERCENTILE_BOUNDS)
        yield f"Soil: moisture{by} at percentile {soil:.1f} of its season: {alone} alone."
    divisor, z = _blend(rain, soil, night.score)
    if math.isnan(night.score):
        yield "Blend: the score of both is not known, and neither is the class."
        yield f"Class: {night.row['drought_class'] or 'unknown'}."
        yield "Changes: a class needs 90 days of rain."
        return
    made = "" if math.isnan(divisor) else f"({rain:.2f} {z:+.2f}) / {divisor:.2f} = "
    share = _percent(float(ndtr(night.score)))
    name = _name(night.score, SPI_BOUNDS)
    yield f"Blend: {made}{night.score:.2f}, as dry in {share} of years: {name}."
    yield f"Class: {name}, {_compare(night, rain, soil)}."
    yield f"Changes: {_list_changes(night.score, rain, z, divisor)}."


def _blend(rain: float, soil: float, score: float) -> tuple[float, float]:
    """Divisor of the score, √[2 (1 + r)], as it follows from the score, and soil as a normal.

    NaN where the score is that of rain alone, or too small to tell.
    """
    z = float(min(max(ndtri(soil / 100), -SOIL_LIMIT), SOIL_LIMIT))
    known = not math.isnan(soil) and abs(score) > 0.05
    return ((rain + z) / score if known else math.nan), z


def _compare(night: _Night, rain: float, soil: float) -> str:
    """Say how the class of the blend compares with those of its parts, and what confirms it."""
    whole = _class(night.score, SPI_BOUNDS)
    parts = [_class(rain, SPI_BOUNDS)]
    if not math.isnan(soil):
        parts.append(_class(soil, PERCENTILE_BOUNDS))
    if len(parts) == 1:
        text = "that of rain alone"
    elif whole > max(parts):
        text = "drier than by either alone, because both dry at once is rarer than one"
    elif whole < min(parts):
        text = "less dry than by either alone"
    elif len(set(parts)) == 1:
        text = "the same as by either alone"
    else:
        drier = "rain" if parts[0] > parts[1] else "soil"
        text = f"between both: {drier} is the drier part"
    confirmed = confirmed_class(spi3=rain, soil_moisture_percentile=soil)
    counted = f"D{confirmed}" if confirmed is not None and confirmed >= 0 else "no class"
    if night.month in DRY_MONTHS and confirmed is not None and confirmed < whole:
        text += f"; from December to March it counts as {counted}, the drier part alone"
    return text


def _list_changes(score: float, rain: float, z: float, divisor: float) -> str:
    """Say which rain or soil would make the class one less dry, and one drier."""
    number = _class(score, SPI_BOUNDS)
    rows = []
    if number >= 0:
        rows.append((f"less dry than D{number}", "above", SPI_BOUNDS[number]))
    if number + 1 < len(SPI_BOUNDS):
        rows.append((f"D{number + 1}", "at most", SPI_BOUNDS[number + 1]))
    texts = []
    for name, side, bound in rows:
        if math.isnan(divisor):
            texts.append(f"{name} with SPI-3 {side} {bound:.2f}")
            continue
        text = f"{name} with SPI-3 {side} {divisor * bound - z:.2f}"
        needed = divisor * bound - rain
        if abs(needed) < SOIL_LIMIT:
            text += f" or soil {side} percentile {100 * float(ndtr(needed)):.1f}"
        texts.append(text)
    return "; ".join(texts)


def _explain_flood(night: _Night) -> Iterator[str]:
    rules, row = night.rules, night.row
    if row["station"]:
        yield _describe_river(night)
        chances = {
            Level.WATCH: (rules.watch_p_alarm_7d, "p_alarm_7d"),
            Level.WARNING: (rules.warning_p_flood_5d, "p_flood_5d"),
            Level.EMERGENCY: (rules.emergency_p_flood_2d, "p_flood_2d"),
        }
        parts = [
            f"P({THRESHOLD_STAGE[level]} stage in {HORIZON_D[level]} days) "
            f"{_percent(night.number(name))} ({level.value.title()} from {_percent(threshold)})"
            for level, (threshold, name) in chances.items()
        ]
        unused = " Not used: climatology is no forecast." if row["tier"] == "climatology" else ""
        yield f"Forecast: {', '.join(parts)}.{unused}"
        yield f"The river alone: {(row['river_level'] or 'unknown').upper()}."
    else:
        yield "River: no gauge with an alarm stage, so that rain alone is assessed, up to Watch."
    years = night.number("rain_return_period_years")
    known = "not known" if math.isnan(years) else f"once in {years:.1f} years"
    alone = f"{(row['rain_level'] or 'unknown').upper()} alone"
    yield f"Rain: {known}; {rules.watch_rain_years:g} years are enough for a Watch: {alone}."
    yield f"Rule: {_reasons(night)}."
    if night.in_force in RAISED:
        yield _ends(night, _flood_end(night))
    if higher := _flood_rise(night):
        yield f"Rises: {higher}."


def _describe_river(night: _Night) -> str:
    row, change = night.row, night.number("change_1d_m")
    alarm_m, flood_m = night.number("alarm_m"), night.number("flood_m")
    marks = f"alarm stage {alarm_m:.2f} m, flood stage {flood_m:.2f} m"
    if not row["stage_m"] or not row["stage_time"]:
        return f"River: no reading at {row['station']}; {marks}."
    trend = "change not known" if math.isnan(change) else f"{100 * change:+.0f} cm in a day"
    stage = f"{night.number('stage_m'):.2f} m on {row['stage_time']}"
    return f"River: {stage} at {row['station']}, {trend}; {marks}."


def _flood_end(night: _Night) -> str:
    """Say what must hold for the level in force to end."""
    rules, level = night.rules, night.in_force
    parts = []
    if night.row["station"]:
        threshold = {
            Level.WATCH: rules.watch_p_alarm_7d,
            Level.WARNING: rules.warning_p_flood_5d,
            Level.EMERGENCY: rules.emergency_p_flood_2d,
        }[level]
        stage = THRESHOLD_STAGE[level]
        # A Warning is held up by the alarm stage too: it is also raised by a rise above it.
        mark = night.number("flood_m" if level is Level.EMERGENCY else "alarm_m")
        below = _percent(rules.lower_factor * threshold)
        parts.append(f"P({stage} stage in {HORIZON_D[level]} days) < {below}")
        parts.append(f"the river at most {mark - rules.lower_m:.2f} m")
    if level is Level.WATCH:
        parts.append(f"rain below {rules.lower_factor * rules.watch_rain_years:g} years")
    return " and ".join(parts)


def _flood_rise(night: _Night) -> str:
    """Say what would raise the level in force; empty where nothing can."""
    if not night.row["station"]:
        return ""
    alarm, flood = (night.number(name) for name in ("alarm_m", "flood_m"))
    rules = night.rules
    texts = {
        Level.WATCH: f"Warning from P(flood stage in 5 days) {_percent(rules.warning_p_flood_5d)} "
        f"for {rules.raise_runs:g} nights, or the river at {alarm:.2f} m and rising by "
        f"more than {100 * stable_band_m(night.row['station']):.0f} cm in a day",
        Level.WARNING: "Emergency from P(flood stage in 2 days) "
        f"{_percent(rules.emergency_p_flood_2d)} for {rules.raise_runs:g} nights, or the river "
        f"at {flood:.2f} m",
        Level.EMERGENCY: "",
    }
    return texts.get(
        night.in_force,
        f"Watch from P(alarm stage in 7 days) {_percent(rules.watch_p_alarm_7d)} for "
        f"{rules.raise_runs:g} nights, or the river at {alarm:.2f} m",
    )


def _ends(night: _Night, condition: str) -> str:
    rules = night.rules
    runs = rules.drought_lower_runs if night.row["hazard"] == "drought" else rules.lower_runs
    so_far = night.runs_down.get(night.in_force.value, 0)
    text = f"Ends: after {runs:g} nights with {condition}; so far {so_far}."
    if not night.row["station"] or night.in_force is Level.WATCH:
        return text
    stage_m = night.number("alarm_m") - rules.step_down_m
    return f"{text} Where it was observed, at most Watch at once from {stage_m:.2f} m."


def _reasons(night: _Night) -> str:
    keys = night.row["reasons"].split()
    return "; ".join(REASONS.get(key, key.replace("_", " ")) for key in keys) or "none is reached"


def _class(value: float, bounds: tuple[float, ...]) -> int:
    return sum(value <= bound for bound in bounds) - 1


def _name(value: float, bounds: tuple[float, ...]) -> str:
    return f"D{number}" if (number := _class(value, bounds)) >= 0 else "no class"


def _percent(share: float) -> str:
    """Format a probability; more digits near its ends.

    Examples
    --------
    >>> _percent(0.25), _percent(0.0051), _percent(0.9995), _percent(math.nan)
    ('25 %', '0.51 %', '99.95 %', 'not known')
    """
    if math.isnan(share):
        return "not known"
    if 0.01 <= share <= 0.99:
        return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"
    return f"{100 * share:.2g} %" if share < 0.5 else f"{100 * share:.4g} %"
