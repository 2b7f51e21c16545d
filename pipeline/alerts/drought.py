"""Decide the drought level of a city from the class now, its forecast and the CDI."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipeline.alerts.alert_state import AlertState
from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Drought
from pipeline.alerts.hysteresis import Assessment, Criterion, apply_hysteresis
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.thresholds import Rules
from pipeline.indices.drought import DRY_MONTHS, PERCENTILE_BOUNDS, SPI_BOUNDS

if TYPE_CHECKING:
    from pipeline.geography.places import City

DROUGHT_CLASS = {Level.WATCH: 1, Level.WARNING: 2, Level.EMERGENCY: 3}
"""Drought class of each level. SMAP begins in 2015: its record cannot tell D4 from D3."""
DROUGHT_WEEKS = 4
"""Horizon of the drought levels; 1 and 12 weeks are shown beside it."""


def decide_drought(
    city: City,
    *,
    issue_time: datetime,
    drought: Drought | None,
    state: AlertState | None,
    rules: Rules,
) -> Decision:
    """Decide the drought level of a city.

    =========  ======================================================================
    level      criterion
    =========  ======================================================================
    Watch      class >= D1 now, or P(class >= D1 in 4 weeks), or CDI watch
    Warning    class >= D2 now, or P(class >= D2 in 4 weeks), or CDI warning or alert
    Emergency  class >= D3 now, or P(class >= D3 in 4 weeks)
    =========  ======================================================================

    The threshold of the probabilities is ``rules.drought_p``. The CDI's warning (rain and soil
    both in deficit) is about as rare as D2; its alert adds vegetation, which supports evidence and
    raises nothing alone, so it goes no higher. From December to March class and CDI count only as
    far as SPI-3 or soil moisture confirms them, so that no alert is driven by SPI-1. A class is
    called observed only as far as it does not rest on a substitute for soil moisture. The
    evidence is sufficient if the class, the CDI and the probabilities are known and the forecast
    is not climatology; NONE also needs rain or soil moisture from files that are not suspect. The
    hysteresis is that of floods, but a level ends only after ``rules.drought_lower_runs`` quiet
    runs: the class of a drought flickers from night to night.

    Parameters
    ----------
    city
        City that is assessed.
    issue_time
        Moment of the run, aware.
    drought
        Forecast of its zone; None where there is none.
    state
        State of the run before; None at first.
    rules
        Thresholds.
    """
    class_now, cdi_class = _current_classes(drought, issue_time)
    criteria = _criteria(drought, class_now, cdi_class, rules)
    forecast = not any(math.isnan(criterion.probability or 0.0) for criterion in criteria.values())
    assessment = apply_hysteresis(
        criteria,
        state=state,
        issue_time=issue_time,
        sufficient=class_now is not None and cdi_class is not None and forecast,
        rules=replace(rules, lower_runs=rules.drought_lower_runs),
        unassessed=timedelta(weeks=DROUGHT_WEEKS),
        complete=drought is None or not drought.suspect,
    )
    in_force = assessment.in_force
    criterion = criteria[in_force if in_force in RAISED else Level.WATCH]
    p = math.nan if criterion.probability is None else criterion.probability
    urgency, severity = {
        Level.WATCH: ("Future", "Moderate"),
        Level.WARNING: ("Expected", "Severe"),
        Level.EMERGENCY: ("Expected", "Severe"),
    }.get(in_force, ("Unknown", "Unknown"))
    observed_class = _observed_class(drought, class_now)
    observed = observed_class is not None and observed_class >= DROUGHT_CLASS.get(in_force, 9)
    if in_force not in RAISED:
        certainty = "Unknown"
    elif assessment.level is Level.UNKNOWN or (not observed and not p > 0.5):
        certainty = "Possible"
    else:
        certainty = "Observed" if observed else "Likely"
    missing = _missing(drought, class_now, cdi_class, forecast=forecast)
    return Decision(
        issue_time=issue_time,
        city=city,
        hazard="drought",
        level=assessment.level,
        in_force=in_force,
        probability=p,
        urgency=urgency,
        severity=severity,
        certainty=certainty,
        reasons=_reasons(assessment, criteria, class_now, cdi_class),
        missing=missing,
        onset=_onset(drought, assessment, issue_time, rules),
        valid_to=issue_time + timedelta(weeks=DROUGHT_WEEKS),
        station=None,
        river=None,
        rain=None,
        drought=drought,
        state=assessment.state,
        held=assessment.held,
        clear=assessment.level is Level.NONE and not missing,
    )


def confirmed_class(*, spi3: float, soil_moisture_percentile: float) -> int | None:
    """Drought class of SPI-3 or soil moisture, the drier of both; None if neither is known.

    Classes as of :func:`pipeline.indices.drought.usdm_class`.

    Examples
    --------
    >>> confirmed_class(spi3=-1.4, soil_moisture_percentile=25.0)
    2
    """
    if math.isnan(spi3) and math.isnan(soil_moisture_percentile):
        return None
    by_rain = sum(spi3 <= bound for bound in SPI_BOUNDS)
    by_soil = sum(soil_moisture_percentile <= bound for bound in PERCENTILE_BOUNDS)
    return max(by_rain, by_soil) - 1


def _current_classes(
    drought: Drought | None, issue_time: datetime
) -> tuple[int | None, int | None]:
    """Class now, and the class that the CDI is equal to; None where not known."""
    if drought is None:
        return None, None
    class_now = drought.current_class
    cdi_class = {"none": -1, "watch": 1, "warning": 2, "alert": 2}.get(drought.cdi)
    if issue_time.month not in DRY_MONTHS:
        return class_now, cdi_class
    confirmed = confirmed_class(
        spi3=drought.spi3, soil_moisture_percentile=drought.soil_moisture_percentile
    )
    if confirmed is None:
        return None, None
    return (
        class_now if class_now is None else min(class_now, confirmed),
        cdi_class if cdi_class is None or confirmed >= 1 else -1,
    )


def _criteria(
    drought: Drought | None, class_now: int | None, cdi_class: int | None, rules: Rules
) -> dict[Level, Criterion]:
    """Criteria of the levels, lowest first."""
    known = class_now is not None and cdi_class is not None
    usable = drought is not None and drought.tier != "climatology"
    criteria = {}
    for level, number in DROUGHT_CLASS.items():
        by_cdi = cdi_class is not None and level is not Level.EMERGENCY and cdi_class >= number
        observed = by_cdi or (class_now is not None and class_now >= number)
        p = drought.p_class(number, DROUGHT_WEEKS) if drought and usable else math.nan
        criteria[level] = Criterion(
            probability=p,
            threshold=rules.drought_p,
            observed=observed,
            calm=known and not observed,
        )
    return criteria


def _observed_class(drought: Drought | None, class_now: int | None) -> int | None:
    """Class now as far as it rests on no substitute for soil moisture: on SPI-3 where one does."""
    if drought is None or class_now is None or "smap_l3" not in drought.substitutes:
        return class_now
    by_rain = confirmed_class(spi3=drought.spi3, soil_moisture_percentile=math.nan)
    return None if by_rain is None else min(class_now, by_rain)


def _reasons(
    assessment: Assessment,
    criteria: Mapping[Level, Criterion],
    class_now: int | None,
    cdi_class: int | None,
) -> tuple[str, ...]:
    """Keys of the criteria that reach or hold a drought level, the strongest first."""
    reasons = assessment.reasons
    if class_now is not None and class_now >= 1:
        reasons.append(f"class_d{min(class_now, 3)}")
    if cdi_class is not None and cdi_class >= 1:
        reasons.append("cdi")
    keys = {Level.EMERGENCY: "p_d3", Level.WARNING: "p_d2", Level.WATCH: "p_d1"}
    return (*reasons, *(key for level, key in keys.items() if criteria[level].reached))


def _missing(
    drought: Drought | None, class_now: int | None, cdi_class: int | None, *, forecast: bool
) -> tuple[str, ...]:
    """Keys of the evidence that is missing."""
    absent = {
        "drought_class": class_now is None,
        "cdi": cdi_class is None,
        "drought_forecast": not forecast,
        "spi3": drought is None or math.isnan(drought.spi3),
        "soil_moisture": drought is None or math.isnan(drought.soil_moisture_percentile),
        "vegetation": drought is None or math.isnan(drought.vhi),
        "suspect": drought is not None and drought.suspect,
    }
    return tuple(key for key, is_absent in absent.items() if is_absent)


def _onset(
    drought: Drought | None,
    assessment: Assessment,
    issue_time: datetime,
    rules: Rules,
) -> datetime | None:
    """First run that observed it, else the first horizon that reaches the threshold."""
    if assessment.in_force not in RAISED or drought is None:
        return None
    if observed := assessment.state.observed_since.get(assessment.in_force.value):
        return observed
    number = DROUGHT_CLASS[assessment.in_force]
    for weeks in sorted(drought.p):
        if drought.p_class(number, weeks) >= rules.drought_p:
            return issue_time + timedelta(weeks=weeks)
    return None
