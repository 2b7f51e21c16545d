"""Step that says what a gauge's readings are enough for, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from models.low_flow import LEAST_YEARS as LOW_FLOW_YEARS
from models.registry import NoModels, load_last
from models.stage.features import STALE_H, TooFewStages, build_inputs, build_library
from models.stage.training import LEAST_DAYS, find_training_days, stage_targets
from models.verification import return_levels
from models.verification.bootstrap import LEAST_YEARS as JUDGED_YEARS
from pipeline.geography import places
from pipeline.geography.place_search import find_gauge
from pipeline.geography.places import Station
from pipeline.quality.flags import USED
from pipeline.quality.selection import select_best
from pipeline.settings import Settings
from pipeline.storage.records import Records
from pipeline.times import naive_timestamp


@dataclass(frozen=True)
class Readiness:
    """What is known of a gauge at a moment.

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
    training_days
        Days that a forecast can learn from.
    wet_seasons
        Whole wet seasons.
    return_levels_m
        Stage reached once in so many years, m, by years; empty with too few seasons.
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
    wet_seasons: int
    return_levels_m: dict[int, float]
    modelled: bool | None

    @property
    def can_be_trained(self) -> bool:
        """Whether there are readings enough for a forecast."""
        return self.training_days >= LEAST_DAYS


def check_gauge(text: str, *, asof: datetime, settings: Settings | None = None) -> Readiness:
    """Count the readings of a gauge that were known at a moment, and what they are enough for.

    Parameters
    ----------
    text
        Code or name of the gauge, or of its city.
    asof
        Moment.
    settings
        Default: from the environment.

    Raises
    ------
    LookupError
        No gauge is called so.
    """
    settings = settings or Settings()
    gauge = find_gauge(text, region="asean", asof=asof)
    code = gauge.code
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
        wet_seasons=len(maxima),
        return_levels_m=levels,
        modelled=_is_modelled(code, asof, settings),
    )


def _count_training_days(readings: pd.DataFrame, code: str, asof: datetime) -> tuple[int, int]:
    """Days that the stage model can learn from, and mornings with a stage."""
    try:
        inputs = build_inputs(stage=readings, asof=asof)
    except TooFewStages:
        return 0, 0
    if code not in inputs.stage:
        return 0, 0
    library = build_library(inputs)
    days = find_training_days(library, code, stage_targets(library, code))
    return int(days.sum()), int(inputs.stage[code].notna().sum())


def _is_modelled(code: str, asof: datetime, settings: Settings) -> bool | None:
    """Whether the newest models of the moment have the gauge; None without models."""
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
    years = ready.training_days / 365.0
    lines.append(
        f"low flow: {years:.1f} years of {LOW_FLOW_YEARS} needed: "
        + ("enough" if years >= LOW_FLOW_YEARS else "none is forecast")
    )
    lines.append(f"city: {' ('.join(ready.city)})" if ready.city else "city: none")
    lines += [f"next: {step}" for step in _list_steps(ready, asof)]
    return lines


def describe_stages(gauge: Station) -> str:
    """Describe alarm and flood stage of a gauge, and which is lacking.

    Examples
    --------
    >>> describe_stages(places.station("013901"))
    'alarm 11 m, flood 12 m'
    """
    stages = {"alarm": gauge.alarm_m, "flood": gauge.flood_m}
    return ", ".join(
        f"no {kind} stage" if stage_m is None else f"{kind} {stage_m:g} m"
        for kind, stage_m in stages.items()
    )


def _describe_flags(ready: Readiness) -> str:
    counts = sorted(ready.flags.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {flag}" for flag, count in counts)


def _describe_forecast(ready: Readiness) -> str:
    """Describe how many days there are to learn from, and how many are needed."""
    text = f"forecast: {ready.training_days:,} days to learn from, {LEAST_DAYS:,} needed: "
    if not ready.can_be_trained:
        lacking = LEAST_DAYS - ready.training_days
        return f"{text}too few, so there is no forecast; {lacking:,} more are needed"
    if ready.wet_seasons < JUDGED_YEARS:
        return (
            f"{text}enough; {ready.wet_seasons} whole wet seasons of the {JUDGED_YEARS} "
            "needed to judge it, so the last reading may be issued in its place"
        )
    return f"{text}enough; {ready.wet_seasons} whole wet seasons to be judged on"


def _describe_thresholds(ready: Readiness) -> str:
    """Describe alarm and flood stage, or what the record says of rare stages."""
    gauge = ready.gauge
    text = f"thresholds: {describe_stages(gauge)}"
    if gauge.alarm_m is None or gauge.flood_m is None:
        text += ", so the river alone raises no level"
    else:
        text += " (checked)" if gauge.threshold_verified else " (not checked: no message is Actual)"
    if ready.return_levels_m:
        stages = ", ".join(
            f"{stage:.2f} m once in {years} years" if years > 1 else f"{stage:.2f} m every year"
            for years, stage in ready.return_levels_m.items()
        )
        return f"{text}; the record reached {stages}"
    return (
        f"{text}; to set them by the record takes {return_levels.MIN_YEARS} whole wet seasons, "
        f"there are {ready.wet_seasons}"
    )


def _list_steps(ready: Readiness, asof: datetime) -> list[str]:
    """List what to do next, the first thing first."""
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
