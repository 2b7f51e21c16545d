"""Texts of example messages in every language, for docs/texts.md."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline.alerts.decision import Decision
from pipeline.alerts.drought import decide_drought
from pipeline.alerts.evidence import Drought, Lead, Rain, River
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Ending, Notice, Phase
from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.alerts.text import compose
from pipeline.alerts.thresholds import rules_for
from pipeline.alerts.track_record import TrackRecord
from pipeline.choices import Change
from pipeline.geography import places

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
RECORD = TrackRecord(since=datetime(2024, 6, 1, tzinfo=UTC), issued=14, hits=9, of_city=True)
RISE = (11.4, 11.9, 12.3, 12.4, 12.2, 11.9, 11.5)
FALL = (11.6, 11.3, 10.9, 10.6, 10.3, 10.1, 9.9)


def examples() -> dict[str, Notice]:
    """Notices of made-up nights by their titles: the numbers are no forecast."""
    pakse, nong_khai = (_flood(city) for city in ("pakse", "nong_khai"))
    facing = places.facing("nong_khai")
    if facing is None:
        raise LookupError("expected a city facing Nong Khai, found none")
    ends = NIGHT + timedelta(days=6)
    falling = _flood("pakse", medians=FALL, stage_m=11.86, change_m=-0.31, p=(0.9, 0.1, 0.02))
    eased = _flood("pakse", medians=FALL, stage_m=10.7, change_m=-0.31, p=(0.02, 0.0, 0.0))
    blind = _flood("pakse", age_h=60.0)
    blind = replace(blind, level=Level.UNKNOWN, reasons=("cannot_assess",), onset=None)
    dry = _drought("pakse")
    return {
        "A flood that is coming": _note(replace(pakse, track_record=RECORD, ending_time=ends)),
        "A flood on one bank, with the other bank beside it": _note(
            replace(nong_khai, facing=(facing, Level.WATCH))
        ),
        "A flood that falls, its level held": _note(
            replace(falling, level=Level.WARNING, held=True, onset=NIGHT - timedelta(days=4)),
            change="figures",
        ),
        "A flood that cannot be assessed": _note(blind, change="unassessed"),
        "A drought that gets worse": _note(dry, phase="worsening"),
        "A drought and a flood at once": _note(
            replace(dry, other_hazard=Level.WATCH), phase="onset"
        ),
        "The end of a flood": _note(replace(eased, level=Level.NONE), ending="all_clear"),
        "An end that is no all-clear": _note(
            replace(blind, level=Level.NONE), ending="not_known"
        ),
    }  # fmt: skip


def _flood(
    city: str,
    *,
    medians: tuple[float, ...] = RISE,
    stage_m: float = 11.02,
    change_m: float = 0.42,
    p: tuple[float, float, float] = (0.96, 0.64, 0.03),
    age_h: float = 0.5,
) -> Decision:
    """Decide a made-up night; ``p`` of alarm stage in 7, of flood stage in 5 and in 2 days."""
    town = places.city(city, asof=NIGHT)
    station = places.station(town.station or "", asof=NIGHT)
    leads = tuple(
        Lead(
            days=days,
            valid_time=NIGHT.replace(minute=0) + timedelta(days=days),
            q05_m=median - 0.12 * days,
            q50_m=median,
            q95_m=median + 0.15 * days,
            p_alarm_by=p[0],
            p_flood_by=p[2] if days < 4 else p[1],
            drivers_cm={"upstream": 98.0, "rain": 31.0, "own_trend": 9.0},
            extrapolated=False,
        )
        for days, median in enumerate(medians, 1)
    )
    river = River(
        station=station.code, issue_time=NIGHT, leads=leads, tier="full", stage_m=stage_m,
        stage_time=NIGHT - timedelta(hours=age_h), change_1d_m=change_m, model_version="example",
        skilful_until_day=7, drivers_method="exact",
    )  # fmt: skip
    return decide_flood(
        town, issue_time=NIGHT, station=station, river=river,
        rain=Rain(return_period_years=1.4, pluvial_index=0.3), state=None,
        rules=rules_for(city, asof=NIGHT),
    )  # fmt: skip


def _drought(city: str) -> Decision:
    """Decide a made-up drought."""
    row = (0.97, 0.93, 0.71, 0.18, 0.0)
    drought = Drought(
        zone=f"city:{city}", current_class=2, cdi="warning", spi1=-1.1, spi3=-1.46,
        soil_moisture_percentile=7.0, vhi=34.0, p={1: row, 4: row, 12: (0.9, 0.7, 0.4, 0.1, 0.0)},
        tier="full",
    )  # fmt: skip
    return decide_drought(
        places.city(city, asof=NIGHT), issue_time=NIGHT, drought=drought, state=None,
        rules=rules_for(city, asof=NIGHT),
    )  # fmt: skip


def _note(
    decision: Decision,
    *,
    event: Level = Level.WARNING,
    change: Change = "new",
    ending: Ending | None = None,
    phase: Phase | None = None,
) -> Notice:
    """Notice of an exercise."""
    lifetime = timedelta(hours=54) if decision.hazard == "flood" else timedelta(days=9)
    return Notice(
        decision=decision, status="Exercise", event=event, ending=ending,
        change="ended" if ending else change, phase=phase, sent=NIGHT,
        expires=NIGHT + lifetime, incident=f"{decision.city.id}-{decision.hazard}",
        product="warning", authority=None,
    )  # fmt: skip


def render() -> str:
    """Render every example in every language, as Markdown."""
    lines = []
    for title, notice in examples().items():
        lines += [f"### {title}", ""]
        for language in LANGUAGES:
            text = compose(notice, language=language)
            lines += [f"#### {read_templates(language)['name']}", "", f"**{text.headline}**", ""]
            lines += [f"{line}<br>" for line in text.description.splitlines()]
            lines += ["", *(f"* {line}" for line in text.instruction.splitlines()), ""]
    return "\n".join(lines)
