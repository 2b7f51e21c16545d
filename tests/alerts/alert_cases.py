"""Hand-made cities, gauges and forecasts for the tests of alerts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shapely.geometry import Polygon

from pipeline.alerts.alert_state import AlertState
from pipeline.alerts.decision import Decision
from pipeline.alerts.drought import decide_drought
from pipeline.alerts.evidence import Drought, Lead, Rain, River
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.alerts.thresholds import Rules
from pipeline.geography.places import City, Station

RULES = Rules(
    watch_p_alarm_7d=0.25,
    warning_p_flood_5d=0.40,
    emergency_p_flood_2d=0.70,
    watch_rain_years=5.0,
    extreme_years=20.0,
    drought_p=0.50,
    raise_margin=0.15,
    raise_runs=2,
    lower_factor=0.6,
    lower_runs=2,
    drought_lower_runs=10,
    lower_m=0.20,
    step_down_m=0.50,
    clear=timedelta(hours=24),
    adjacent=timedelta(hours=48),
    stale=timedelta(hours=48),
    forget=timedelta(days=7),
)
"""Thresholds of every city until it states its own."""
T0 = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
NAN = math.nan
CITY = City(
    id="vientiane",
    name="Vientiane",
    country="LA",
    lat=17.931,
    lon=102.616,
    station="011901",
    ascn=True,
    in_basin=True,
    basin="loei",
    hazards="river pluvial drought",
    utc_offset_h=7.0,
    iso_3166_2="LA-VT",
    facing="nong_khai",
    area=Polygon([(102.4, 18.0), (102.7, 17.8), (102.8, 18.0), (102.4, 18.0)]),
    note="",
)
STATION = Station(
    code="011901",
    name="Vientiane KM4",
    river="Mekong",
    country="LA",
    lat=17.931,
    lon=102.616,
    catchment_km2=299_000.0,
    zero_m_amsl=158.04,
    alarm_m=11.5,
    flood_m=12.5,
    tidal=False,
    upstream=(),
    basin="loei",
    threshold_verified=True,
    replaced_by=None,
    note="",
)
TOWN = replace(
    CITY, id="siem_reap", name="Siem Reap", country="KH", station=None, iso_3166_2=None, facing=None
)
DRY = Rain(return_period_years=1.0, pluvial_index=0.3)
UNKNOWN_RAIN = Rain(return_period_years=NAN, pluvial_index=NAN)


def night(number: int) -> datetime:
    """Issue time of a night, counted from 0."""
    return T0 + timedelta(days=number)


def river(
    *,
    issue_time: datetime = T0,
    p_alarm: Sequence[float] = (0.0,) * 7,
    p_flood: Sequence[float] = (0.0,) * 7,
    stage_m: float = 9.0,
    age_h: float | None = 0.5,
    change_1d_m: float = 0.0,
    tier: str = "full",
    station: str = "011901",
    extrapolated: bool = False,
) -> River:
    """Forecast whose median rises by 10 cm a day."""
    leads = tuple(
        Lead(
            days=days,
            valid_time=issue_time.replace(minute=0) + timedelta(days=days),
            q05_m=stage_m + 0.1 * days - 0.2 * days,
            q50_m=stage_m + 0.1 * days,
            q95_m=stage_m + 0.1 * days + 0.3 * days,
            p_alarm_by=p_alarm[days - 1],
            p_flood_by=p_flood[days - 1],
            drivers_cm={"upstream": 7.0 * days, "rain": 4.0 * days, "own_trend": -1.0 * days},
            extrapolated=extrapolated,
        )
        for days in range(1, 8)
    )
    return River(
        station=station,
        issue_time=issue_time,
        leads=leads,
        tier=tier,
        stage_m=stage_m,
        stage_time=None if age_h is None else issue_time - timedelta(hours=age_h),
        change_1d_m=change_1d_m,
        model_version="m1",
        skilful_until_day=7,
        drivers_method="exact",
    )


def ramp(p7: float, p5: float, p2: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """P(alarm) and P(flood) by lead with the given values at 7, 5 and 2 days."""
    flood = (p2, p2, p2, p2, p5, p5, p5)
    return (*flood[:6], p7 if math.isnan(p7) else max(p5, p7)), flood


def flood(
    p7: float = 0.0,
    p5: float = 0.0,
    p2: float = 0.0,
    *,
    number: int = 0,
    state: AlertState | None = None,
    stage_m: float = 9.0,
    age_h: float | None = 0.5,
    change_1d_m: float = 0.0,
    tier: str = "full",
    rain: Rain = DRY,
) -> Decision:
    """Decide the flood level of the gauged city on a night."""
    p_alarm, p_flood = ramp(p7, p5, p2)
    return decide_flood(
        CITY,
        issue_time=night(number),
        station=STATION,
        river=river(
            issue_time=night(number),
            p_alarm=p_alarm,
            p_flood=p_flood,
            stage_m=stage_m,
            age_h=age_h,
            change_1d_m=change_1d_m,
            tier=tier,
        ),
        rain=rain,
        state=state,
        rules=RULES,
    )


def pluvial(years: float, *, number: int = 0, state: AlertState | None = None) -> Decision:
    """Decide the flood level of the city without a gauge on a night."""
    return decide_flood(
        TOWN,
        issue_time=night(number),
        station=None,
        river=None,
        rain=Rain(return_period_years=years, pluvial_index=NAN),
        state=state,
        rules=RULES,
    )


def dry_spell(
    p1: float = 0.0,
    p2: float = 0.0,
    p3: float = 0.0,
    *,
    now: int | None = -1,
    cdi: str = "none",
    spi3: float = 0.0,
    soil: float = 50.0,
    tier: str = "full",
) -> Drought:
    """Drought forecast with P(class >= D1, D2, D3), the same at each horizon."""
    row = (max(p1, 0.0), p1, p2, p3, 0.0)
    return Drought(
        zone="city:vientiane",
        current_class=now,
        cdi=cdi,
        spi1=0.0,
        spi3=spi3,
        soil_moisture_percentile=soil,
        vhi=40.0,
        p={1: row, 4: row, 12: row},
        tier=tier,
    )


def drought(
    given: Drought | None,
    *,
    number: int = 0,
    state: AlertState | None = None,
    issue_time: datetime | None = None,
) -> Decision:
    """Decide the drought level of the city on a night."""
    return decide_drought(
        CITY, issue_time=issue_time or night(number), drought=given, state=state, rules=RULES
    )


def hold(decision: Decision) -> Decision:
    """Decision whose level is held after it was observed the night before."""
    since = {decision.in_force.value: decision.issue_time - timedelta(days=1)}
    return replace(decision, held=True, state=replace(decision.state, observed_since=since))


def levels(*decisions: Decision) -> list[Level]:
    """Levels of some decisions."""
    return [decision.level for decision in decisions]
