"""Notices of hand-made decisions for the tests of texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline.alerts.decision import Decision, Status
from pipeline.alerts.evidence import Doubt, Rain
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Ending, Notice, Phase
from pipeline.alerts.templates import read_templates
from pipeline.alerts.track_record import TrackRecord
from pipeline.choices import Change, Product
from pipeline.geography.places import cities, stations
from tests.alerts.alert_cases import (
    NAN,
    RULES,
    T0,
    UNKNOWN_RAIN,
    drought,
    dry_spell,
    flood,
    hold,
    pluvial,
    ramp,
    river,
)
from tests.alerts.cap_cases import every_decision

RECORD = TrackRecord(since=datetime(2026, 6, 1, tzinfo=UTC), issued=10, hits=7, of_city=True)


def note(
    decision: Decision,
    *,
    event: Level | None = None,
    status: Status = "Exercise",
    change: Change = "new",
    ending: Ending | None = None,
    phase: Phase | None = None,
    product: Product = "warning",
    authority: str | None = None,
) -> Notice:
    """Notice of a decision, of the level in force unless another is named; of a Watch if none."""
    in_force = decision.in_force if decision.in_force in RAISED else Level.WATCH
    return Notice(
        decision=decision,
        status=status,
        event=event or in_force,
        change="ended" if ending else change,
        ending=ending,
        phase=phase,
        sent=decision.issue_time,
        expires=decision.issue_time + timedelta(hours=54),
        incident=f"{decision.city.id}-{decision.hazard}",
        product=product,
        authority=authority,
    )


def decide(
    city: str, *, stage_m: float = 9.0, change_1d_m: float = 0.13, doubt: Doubt | None = None,
    tier: str = "full", verified: bool = True, beyond: bool = True, rain: Rain = UNKNOWN_RAIN,
    p: tuple[float, float, float] = (0.995, 0.6, 0.004), drivers: tuple[str, ...] = (),
) -> Decision:  # fmt: skip
    """Decide the flood level of a city at its gauge, with all that a message can tell.

    ``p`` holds the probabilities of alarm stage in 7, flood stage in 5 and in 2 days.
    """
    town = cities()[city]
    station = replace(stations()[town.station or ""], threshold_verified=verified)
    alarm, high = ramp(*p)
    forecast = river(
        station=station.code, stage_m=stage_m, change_1d_m=change_1d_m, p_alarm=alarm,
        p_flood=high, tier=tier,
    )  # fmt: skip
    drivers_cm = dict.fromkeys(drivers or read_templates("en")["driver"], 3.0)
    leads = tuple(
        replace(lead, drivers_cm=drivers_cm, median_extrapolated=beyond) for lead in forecast.leads
    )
    return decide_flood(
        town, issue_time=T0, station=station, river=replace(forecast, leads=leads, doubt=doubt),
        rain=rain, state=None, rules=RULES,
    )  # fmt: skip


def every_notice() -> list[Notice]:
    """Notices whose messages use every template that no night need have."""
    notices = [note(decision) for decision in every_decision()]
    watch = flood(0.3)
    parched = drought(dry_spell(0.7, 0.6, now=2))
    endings: tuple[Ending, ...] = ("all_clear", "monitor", "not_known")
    for decision in (watch, parched, pluvial(6.0)):
        quiet = replace(decision, level=Level.NONE, missing=("rain",))
        notices += [note(quiet, event=Level.WARNING, ending=ending) for ending in endings]
    phases: tuple[Phase, ...] = ("onset", "worsening", "partial_recovery", "full_recovery")
    notices += [note(parched, phase=phase) for phase in phases]
    notices += [
        note(drought(dry_spell(0.9, 0.9, 0.9, now=number, spi3=-1.5))) for number in (0, 1, 2, 3)
    ]
    products: tuple[Product, ...] = ("warning", "advisory", "vigilance")
    for product in products:
        notices += [note(watch, product=product), note(parched, product=product)]
    notices += [note(watch, authority="DMH")]
    nong_khai = cities()["nong_khai"]
    for level in (Level.WATCH, Level.NONE, Level.UNKNOWN):
        notices.append(note(replace(watch, facing=(nong_khai, level))))
    notices.append(note(replace(watch, other_hazard=Level.WARNING)))
    notices.append(note(replace(parched, other_hazard=Level.WATCH)))
    notices.append(note(hold(parched)))
    for held in (flood(0.1, stage_m=11.6), flood(0.6, 0.6), flood(0.9, 0.9, 0.9)):
        notices.append(note(hold(held)))
    rain = Rain(return_period_years=6.0, pluvial_index=NAN, depth_mm=131.6, duration_days=1)
    for heavy in (rain, replace(rain, duration_days=3), replace(rain, duration_h=3)):
        notices.append(note(replace(pluvial(6.0), rain=heavy)))
    ends = T0 + timedelta(days=5)
    notices.append(note(replace(flood(0.9, 0.9, 0.9, stage_m=12.6), ending_time=ends)))
    notices.append(note(replace(flood(0.9, 0.9, 0.9, stage_m=12.6), onset=T0 - timedelta(days=3))))
    notices.append(note(flood(0.9, 0.9, 0.9, stage_m=11.6, tier="climatology")))
    notices.append(note(flood(0.3, stage_m=NAN, age_h=None)))
    falling = flood(0.9, 0.9, 0.9, stage_m=12.6, change_1d_m=-0.4)
    assert falling.river
    leads = tuple(replace(lead, q50_m=12.5 - lead.days / 5) for lead in falling.river.leads)
    notices.append(note(replace(falling, river=replace(falling.river, leads=leads))))
    doubts = [
        None,
        Doubt(kind="unconfirmed", lowest_m=14.0, highest_m=14.0, time=T0),
        Doubt(kind="conflict", lowest_m=9.0, highest_m=14.0, time=T0),
    ]
    for city, town in cities().items():
        if town.station:
            for doubt, change_m, stage_m in zip(
                doubts, (0.13, -0.2, 0.0), (9.0, 14.6, 30.0), strict=True
            ):
                decision = decide(
                    city, stage_m=stage_m, change_1d_m=change_m, doubt=doubt, verified=False
                )
                record = replace(RECORD, of_city=city != "pakse")
                notices.append(note(replace(decision, track_record=record)))
            decision = decide(city, doubt=doubts[1], p=(0.1, 0.0, 0.0))
            notices.append(note(replace(decision, track_record=replace(RECORD, issued=3))))
            notices.append(note(decide(city, stage_m=1.0, p=(0.9, 0.9, 0.9))))
    for drivers in (("wetness", "upstream", "season"), ("tide",)):
        notices.append(note(decide("pakse", drivers=drivers)))
    missing = tuple(read_templates("en")["missing"].keys() - {"intro", "separator", "gauge"})
    notices.append(note(replace(decide("pakse"), missing=missing)))
    return notices
