"""Step that says what a gauge's readings are enough for, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.geography.places import Station


@dataclass(frozen=True)
class Readiness:
    """What is known of a gauge at a moment, beside what each use of it needs.

    Parameters
    ----------
    gauge
        Gauge.
    city
        Name and id of the city that it speaks for; None without one.
    readings
        Readings of the stage.
    first, last
        Times of the first and the last of them that may be used (UTC); None without any.
    age_h
        Hours from the last to the moment; None without any.
    flags
        Number of readings by flag.
    mornings
        Dates with a stage at 00:00 UTC.
    training_days, least_days
        Days that a forecast can learn from, and how many it needs.
    wet_seasons, least_judged
        Whole wet seasons, and how many years of forecasts must be judged before the model's own is
        issued in place of persistence.
    least_return
        Wet seasons from which stages of a return period are given.
    return_levels_m
        Stage reached once in so many years, m, by years; empty with too few seasons.
    least_low_flow_years
        Years of readings that forecasts of low flow need.
    years
        Training days over 365.
    modelled
        Whether the newest models that the moment may use have the gauge; None without models.
    """

    gauge: Station
    city: tuple[str, str] | None
    readings: int
    first: datetime | None
    last: datetime | None
    age_h: float | None
    flags: dict[str, int]
    mornings: int
    training_days: int
    least_days: int
    wet_seasons: int
    least_judged: int
    least_return: int
    return_levels_m: dict[int, float]
    least_low_flow_years: int
    years: float
    modelled: bool | None

    @property
    def can_be_trained(self) -> bool:
        """Whether there are readings enough for a forecast."""
        return self.training_days >= self.least_days


def check_gauge(code: str, *, asof: datetime, settings: Settings | None = None) -> Readiness:
    """Count the readings of a gauge that were known at a moment, and what they are enough for.

    Parameters
    ----------
    code
        Code of the gauge.
    asof
        Moment.
    settings
        Default: from the environment.

    Raises
    ------
    LookupError
        No gauge has this code.
    """
    import numpy as np

    from models import low_flow
    from models.stage import training
    from models.verification import bootstrap, return_levels
    from pipeline.geography import places
    from pipeline.quality.flags import USED
    from pipeline.quality.selection import select_best
    from pipeline.storage.records import Records
    from pipeline.times import naive_timestamp

    settings = settings or Settings()
    gauge = places.station(code, asof=asof)
    towns = places.cities(settings.region, asof=asof).values()
    city = next(((town.name, town.id) for town in towns if town.station == code), None)
    flagged = Records(settings.database).readings.read_all("stage", asof=asof, stations=[code])
    best = select_best(flagged)
    used = best[best["qc"].isin([*USED, "absolute"]) & best["value"].notna()]
    used = used[used["valid_time"] <= naive_timestamp(asof)]
    days, mornings = _count_training_days(best, code, asof) if len(used) else (0, 0)
    maxima = return_levels.find_annual_maxima(used, asof=asof).get(code, np.empty(0))
    levels = {
        years: return_levels.estimate_return_level(maxima, years)
        for years in return_levels.RETURN_YEARS
        if len(maxima) >= return_levels.MIN_YEARS
    }
    last = None if used.empty else used["valid_time"].max()
    return Readiness(
        gauge=gauge,
        city=city,
        readings=len(flagged),
        first=None if last is None else used["valid_time"].min().to_pydatetime(),
        last=None if last is None else last.to_pydatetime(),
        age_h=None if last is None else (naive_timestamp(asof) - last).total_seconds() / 3600.0,
        flags={str(flag): int(count) for flag, count in flagged["qc"].value_counts().items()},
        mornings=mornings,
        training_days=days,
        least_days=training.LEAST_DAYS,
        wet_seasons=len(maxima),
        least_judged=bootstrap.LEAST_YEARS,
        least_return=return_levels.MIN_YEARS,
        return_levels_m=levels,
        least_low_flow_years=low_flow.LEAST_YEARS,
        years=days / 365.0,
        modelled=_is_modelled(code, asof, settings),
    )


def _count_training_days(readings: pd.DataFrame, code: str, asof: datetime) -> tuple[int, int]:
    """Days that the stage model can learn from, and mornings with a stage."""
    from models.stage import training
    from models.stage.features import TooFewStages, build_inputs, build_library

    try:
        inputs = build_inputs(stage=readings, asof=asof)
    except TooFewStages:
        return 0, 0
    if code not in inputs.stage:
        return 0, 0
    library = build_library(inputs)
    days = training.find_training_days(library, code, training.stage_targets(library, code))
    return int(days.sum()), int(inputs.stage[code].notna().sum())


def _is_modelled(code: str, asof: datetime, settings: Settings) -> bool | None:
    """Whether the newest models of the moment have the gauge; None without models."""
    from models.registry import NoModels, load_last

    try:
        models, _ = load_last(settings.models_dir, asof=asof, names=("stage",))
    except NoModels:
        return None
    return code in models["stage"].stations


def describe_readiness(ready: Readiness, *, asof: datetime) -> list[str]:
    """Describe a gauge's readings in lines: what there is, what is needed, what to do next.

    Parameters
    ----------
    ready
        From :func:`check_gauge`.
    asof
        Moment of the check.
    """
    gauge = ready.gauge
    lines = [f"{gauge.name} ({gauge.code}), {gauge.river}, {gauge.country}, in {gauge.basin}"]
    if ready.first is None or ready.last is None:
        of_flags = f" ({_describe_flags(ready)})" if ready.readings else ""
        lines.append(f"readings: {ready.readings} of the stage, none that may be used{of_flags}")
    else:
        lines.append(
            f"readings: {ready.readings:,} of the stage, {ready.first:%Y-%m-%d %H:%M} to "
            f"{ready.last:%Y-%m-%d %H:%M} UTC; mornings (00:00 UTC) with a stage: "
            f"{ready.mornings:,}"
        )
        lines.append(f"quality: {_describe_flags(ready)}")
    lines += [_describe_forecast(ready), _describe_thresholds(ready)]
    lines.append(
        f"low flow: {ready.years:.1f} years of {ready.least_low_flow_years} needed: "
        + ("enough" if ready.years >= ready.least_low_flow_years else "none is forecast")
    )
    lines.append(f"city: {' ('.join(ready.city)})" if ready.city else "city: none")
    lines += [f"next: {step}" for step in _list_steps(ready, asof)]
    return lines


def _describe_flags(ready: Readiness) -> str:
    counts = sorted(ready.flags.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {flag}" for flag, count in counts)


def _describe_forecast(ready: Readiness) -> str:
    """Describe how many days there are to learn from, and how many are needed."""
    text = f"forecast: {ready.training_days:,} days to learn from, {ready.least_days:,} needed: "
    if not ready.can_be_trained:
        lacking = ready.least_days - ready.training_days
        return f"{text}too few, so there is no forecast; {lacking:,} more are needed"
    if ready.wet_seasons < ready.least_judged:
        return (
            f"{text}enough; {ready.wet_seasons} whole wet seasons of the {ready.least_judged} "
            "needed to judge it, so the last reading may be issued in its place"
        )
    return f"{text}enough; {ready.wet_seasons} whole wet seasons to be judged on"


def _describe_thresholds(ready: Readiness) -> str:
    """Describe alarm and flood stage, or what the record says of rare stages."""
    gauge = ready.gauge
    if gauge.alarm_m is not None and gauge.flood_m is not None:
        mark = "checked" if gauge.threshold_verified else "not checked: no message is Actual"
        text = f"thresholds: alarm {gauge.alarm_m:g} m, flood {gauge.flood_m:g} m ({mark})"
    else:
        text = "thresholds: no alarm and flood stage, so the river alone raises no level"
    if ready.return_levels_m:
        stages = ", ".join(
            f"{stage:.2f} m once in {years} years" if years > 1 else f"{stage:.2f} m every year"
            for years, stage in ready.return_levels_m.items()
        )
        return f"{text}; the record reached {stages}"
    return (
        f"{text}; to set them by the record takes {ready.least_return} whole wet seasons, "
        f"there are {ready.wet_seasons}"
    )


def _list_steps(ready: Readiness, asof: datetime) -> list[str]:
    """List what to do next, the first thing first."""
    from models.stage.features import STALE_H

    steps = []
    if not ready.can_be_trained:
        steps.append(
            "bring in the readings, all years that there are: mekong ingest gauges --from DIR"
        )
    elif not ready.modelled:
        steps.append(f"train, so that it is forecast: mekong train --date {asof:%Y-%m-%d}")
    if ready.age_h is not None and ready.age_h > STALE_H:
        steps.append(
            f"a newer reading: the last is {ready.age_h / 24.0:.0f} days old, and a level of the "
            f"river needs one of the last {STALE_H:g} hours"
        )
    if ready.gauge.alarm_m is None or ready.gauge.flood_m is None:
        steps.append("its alarm and flood stage: two rows in thresholds.csv of your folder")
    if ready.city is None:
        steps.append(
            f"its city: mekong cities add NAME --gauge {ready.gauge.code} "
            "(mekong cities add --help)"
        )
    night = f"{asof:%Y-%m-%d}"
    return steps or [f"the night: mekong nightly --date {night}, mekong status --date {night}"]
