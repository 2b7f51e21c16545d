"""Facts of a decision: what every file beside the CAP messages says of a city and hazard."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from pipeline.alerts.decision import Decision, choose_status
from pipeline.alerts.evidence import DRIVERS
from pipeline.alerts.headlines import compose_headline
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Notice
from pipeline.alerts.text import describe_missing
from pipeline.choices import Product
from pipeline.sources.base import Origin
from pipeline.times import format_utc

LIFETIME = timedelta(hours=54)
"""Time from an issue time after which its rows say nothing of the present, as messages do."""
ON_RAIN = " (rain alone, no river gauge)"
"""End of the headline of a city without a gauge where no warning is in force."""
Fact = str | float | int | bool | list[str] | None


def collect_facts(
    decision: Decision,
    *,
    notice: Notice | None,
    identifier: str | None,
    status: str,
    product: Product | None = None,
) -> dict[str, Fact]:
    """Collect the facts of a decision, units in the names, None for what is not known.

    Parameters
    ----------
    decision
        Subject of the facts.
    notice
        Event that the run goes on with, begins or ends; None where there is none.
    identifier
        CAP message in force, if there is one.
    status
        CAP status.
    product
        What the country's service calls a message; None where that is not set.
    """
    city, station, river = decision.city, decision.station, decision.river
    peak = river.peak if river else None
    rain, drought = decision.rain, decision.drought
    in_force = decision.in_force in RAISED
    facts: dict[str, Fact] = {
        "status": status,
        "issue_time": format_utc(decision.issue_time),
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
        "headline": _compose_headline(decision, status=status, product=product),
        "identifier": identifier,
        "urgency": decision.urgency if in_force else None,
        "severity": decision.severity if in_force else None,
        "certainty": decision.certainty if in_force else None,
        "probability": decision.probability,
        "onset": format_utc(decision.onset) if decision.onset else None,
        "valid_to": format_utc(decision.valid_to),
        "expires_at": format_utc(decision.issue_time + LIFETIME),
        "reasons": list(decision.reasons),
        "missing": describe_missing(decision.missing),
        "tier": river.tier if river else drought.tier if drought else None,
        "station": station.code if station else None,
        "alarm_m": station.alarm_m if station else None,
        "flood_m": station.flood_m if station else None,
        "threshold_verified": station.threshold_verified if station else None,
        "stage_m": river.stage_m if river else None,
        "stage_time": format_utc(river.stage_time) if river and river.stage_time else None,
        "change_1d_m": river.change_1d_m if river else None,
        "p_alarm_7d": river.p_by("alarm", 7) if river else None,
        "p_flood_5d": river.p_by("flood", 5) if river else None,
        "p_flood_2d": river.p_by("flood", 2) if river else None,
        "peak_m": peak.q50_m if peak else None,
        "peak_q05_m": peak.q05_m if peak else None,
        "peak_q95_m": peak.q95_m if peak else None,
        "peak_time": format_utc(peak.valid_time) if peak else None,
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
        "stands_in": list(drought.substitutes) if drought else None,
    }
    for number in (1, 2, 3):
        for weeks in (1, 4, 12):
            key = f"p_d{number}_{weeks}w"
            facts[key] = drought.p_class(number, weeks) if drought else None
    for name in DRIVERS:
        facts[f"driver_{name}_cm"] = peak.drivers_cm.get(name) if peak else None
    low = decision.low_flow
    facts["low_flow_class"] = _class_name(low.current_class) if low else None
    for weeks in (1, 4, 8, 12):
        facts[f"p_low_flow_{weeks}w"] = low.p_d1.get(weeks) if low else None
    facts["p_below_6a_4w"] = low.p_below_6a.get(4) if low else None
    record = decision.track_record
    facts["track_since"] = format_utc(record.since) if record else None
    facts["track_issued"] = record.issued if record else None
    facts["track_came_true"] = record.hits if record else None
    facts["track_of_city"] = record.of_city if record else None
    facts["skilful_until_day"] = river.skilful_until_day if river else None
    facts["drivers_method"] = (river.drivers_method or None) if river else None
    facts["change"] = notice.change if notice else None
    facts["incident"] = (notice.incident if notice else decision.state.incident) or None
    facts["ending_time"] = format_utc(decision.ending_time) if decision.ending_time else None
    facts["drought_phase"] = notice.phase if notice else None
    return {key: _round_known(value) for key, value in facts.items()}


def _compose_headline(decision: Decision, *, status: str, product: Product | None) -> str:
    """Headline of the level in force; where there is none it says that no river was assessed."""
    line = compose_headline(decision, event=decision.in_force, status=status, product=product)
    on_rain = decision.hazard == "flood" and decision.station is None
    return line + ON_RAIN if on_rain and decision.in_force is Level.NONE else line


def _drought_class(decision: Decision) -> str | None:
    """Class now; the record cannot tell D4 from D3."""
    class_now = decision.drought.current_class if decision.drought else None
    return None if class_now is None else _class_name(min(class_now, 3))


def _class_name(number: int | None) -> str | None:
    return None if number is None else "none" if number < 0 else f"D{number}"


def _round_known(value: Fact) -> Fact:
    if not isinstance(value, float):
        return value
    return round(value, 6) if math.isfinite(value) else None


def collect_rows(
    decisions: Sequence[Decision],
    messages: Mapping[tuple[str, str], str],
    notices: Mapping[tuple[str, str], Notice],
    *,
    products: Mapping[str, Product],
    origin: Origin,
    wanted: Literal["Actual", "Test"],
) -> list[dict[str, Fact]]:
    """Collect the facts of every city and hazard, in the order of their ids.

    Parameters
    ----------
    decisions
        One per city and hazard.
    messages
        Identifier of the CAP message in force, by city and hazard, where there is one.
    notices
        Event that the run goes on with, begins or ends, likewise.
    products
        What a country's service calls a message, by ISO 3166-1 code.
    origin, wanted
        As for :func:`pipeline.alerts.decision.choose_status`.

    Raises
    ------
    ValueError
        A city and hazard is there twice.
    """
    keys = [(decision.city.id, decision.hazard) for decision in decisions]
    if len(set(keys)) != len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"expected each city and hazard once, found twice {twice}")
    return [
        collect_facts(
            decision,
            notice=notices.get((decision.city.id, decision.hazard)),
            identifier=messages.get((decision.city.id, decision.hazard)),
            status=choose_status(decision, origin=origin, wanted=wanted),
            product=products.get(decision.city.country),
        )
        for decision in sorted(decisions, key=lambda each: (each.city.id, each.hazard))
    ]
