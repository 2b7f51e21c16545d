"""Licence of a regressor: the leads at which its own forecast is issued, by years it had not seen.

Where it shows no skill, persistence or climatology is issued under that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.climatology import WET_MONTHS, day_of_year, pentad, window_means
from models.stage.errors import ErrorModel
from models.stage.features import DAY
from models.stage.names import CLIMATOLOGY, MODEL, PERSISTENCE
from models.stage.splits import TrainingRows
from models.verification.bootstrap import LEAST_YEARS, compare_over_years
from models.verification.metrics import skill_score, squared_error


@dataclass(frozen=True)
class UnseenForecasts:
    """Forecasts of one gauge for wet days of years that the fit had not seen.

    Parameters
    ----------
    year
        Water year of each row, shape (n,).
    error_m, persistence_m, climatology_m
        Errors of the forecast, of the last reading and of the season's median, (n, n_leads).
    p_alarm, persistence_p, climatology_p
        P(alarm stage) of the forecast and of persistence (NaN without an alarm stage), and the
        season's share of such days, (n, n_leads).
    reached
        Whether alarm stage was reached, (n, n_leads).
    """

    year: NDArray[np.int64]
    error_m: NDArray[np.float64]
    persistence_m: NDArray[np.float64]
    climatology_m: NDArray[np.float64]
    p_alarm: NDArray[np.float64]
    persistence_p: NDArray[np.float64]
    climatology_p: NDArray[np.float64]
    reached: NDArray[np.bool_]


def gather_unseen(
    rows: TrainingRows,
    held_out: NDArray[np.float64],
    ahead: NDArray[np.float64],
    *,
    errors: tuple[ErrorModel, NDArray[np.float64]],
    persistence: tuple[ErrorModel, NDArray[np.float64]],
    leads: Sequence[int],
    climatology_m: NDArray[np.float64],
    alarm_m: float | None,
) -> UnseenForecasts:
    """Gather wet days of the last years, forecast by earlier ones; of all years if these are few.

    A forecast meets later years, and the river of ten years ago is not today's.

    Parameters
    ----------
    rows
        Rows of training.
    held_out, ahead
        Changes of stage in m forecast for years held out, and for the last ones by earlier ones
        alone (NaN in other years), shape (n, n_leads).
    errors, persistence
        Errors of the forecasts and of the last reading, each with the regime of its scale.
    leads
        Days ahead.
    climatology_m
        Median stage by pentad, shape (73,).
    alarm_m
        Alarm stage; None without one.
    """
    wet = np.asarray(rows.dates.month.isin(WET_MONTHS))
    recent = wet & np.isfinite(ahead).all(axis=1)
    enough = len(np.unique(rows.year[recent])) >= LEAST_YEARS
    used, change = (recent, ahead) if enough else (wet, held_out)
    stage_m = rows.level_m[:, None] + rows.target
    threshold_m = np.nan if alarm_m is None else alarm_m
    reached = stage_m >= threshold_m
    valid = [rows.dates + lead * DAY for lead in leads]
    median_m = np.column_stack([climatology_m[pentad(dates)] for dates in valid])
    season_p = np.column_stack(
        [
            window_means(dates, of_lead)[day_of_year(dates) - 1]
            for dates, of_lead in zip(valid, reached.T, strict=True)
        ]
    )
    rise_m = threshold_m - rows.level_m[:, None]
    own_p, persistence_p = (
        1.0 - model.distribution.cdf(((rise_m - middle) / model.scale(regime))[used])
        for (model, regime), middle in ((errors, change), (persistence, 0.0))
    )
    return UnseenForecasts(
        year=rows.year[used],
        error_m=(rows.target - change)[used],
        persistence_m=rows.target[used],
        climatology_m=(stage_m - median_m)[used],
        p_alarm=own_p,
        persistence_p=persistence_p,
        climatology_p=season_p[used],
        reached=reached[used],
    )


@dataclass(frozen=True)
class Licence:
    """Skill of one tier at each lead on years that the fit had not seen, shape (n_leads,) each.

    Parameters
    ----------
    n_years
        Number of these years.
    cp, cp_low
        Persistence index in the wet season, and the lower bound of its 95 % interval over resampled
        years; NaN below ``LEAST_YEARS`` years.
    alarm_days
        Days that reached alarm stage; 0 without an alarm stage.
    brier_skill
        Of P(alarm) against the season's share; NaN without such days.
    brier_skill_substitute
        Of P(alarm) against that of the substitute; NaN without such days.
    substitute
        Whichever of persistence and climatology had the smaller squared error.
    """

    n_years: int
    cp: NDArray[np.float64]
    cp_low: NDArray[np.float64]
    alarm_days: NDArray[np.int64]
    brier_skill: NDArray[np.float64]
    brier_skill_substitute: NDArray[np.float64]
    substitute: tuple[str, ...]

    @property
    def granted(self) -> NDArray[np.bool_]:
        """Whether the model's own forecast is issued; never where its skill is not known.

        A P(alarm) that is worse than the season's share gives way only to one that is better.
        """
        p_is_kept = (
            (self.alarm_days == 0) | (self.brier_skill >= 0.0) | (self.brier_skill_substitute > 0.0)
        )
        return np.asarray((self.cp_low > 0.0) & p_is_kept)

    @property
    def methods(self) -> NDArray[np.str_]:
        """What is issued at each lead."""
        return np.where(self.granted, MODEL, self.substitute)


def judge(unseen: UnseenForecasts) -> Licence:
    """Judge the forecasts of unseen years.

    Examples
    --------
    >>> error, none = np.full((4, 1), 0.1), np.full((4, 1), np.nan)
    >>> licence = judge(
    ...     UnseenForecasts(
    ...         year=np.arange(4),
    ...         error_m=error,
    ...         persistence_m=2.0 * error,
    ...         climatology_m=3.0 * error,
    ...         p_alarm=none,
    ...         persistence_p=none,
    ...         climatology_p=none,
    ...         reached=np.zeros((4, 1), dtype=bool),
    ...     )
    ... )
    >>> licence.cp.round(2).tolist(), licence.granted.tolist(), licence.substitute
    ([0.75], [True], ('persistence',))
    """
    years, place = np.unique(unseen.year, return_inverse=True)
    of_year = (place == np.arange(len(years))[:, None]).astype(float)
    own, persistence, climatology = (
        of_year @ values**2
        for values in (unseen.error_m, unseen.persistence_m, unseen.climatology_m)
    )
    intervals = [
        compare_over_years(of_lead, reference, cases=len(place)).skill
        for of_lead, reference in zip(own.T, persistence.T, strict=True)
    ]
    closer = climatology.sum(axis=0) < persistence.sum(axis=0)
    substitute_p = np.where(closer, unseen.climatology_p, unseen.persistence_p)
    brier, season, substitute = (
        squared_error(p, unseen.reached).sum(axis=0)
        for p in (unseen.p_alarm, unseen.climatology_p, substitute_p)
    )
    alarm_days = unseen.reached.sum(axis=0)
    return Licence(
        n_years=len(years),
        cp=np.array([interval.value for interval in intervals]),
        cp_low=np.array([interval.low for interval in intervals]),
        alarm_days=alarm_days,
        brier_skill=np.where(alarm_days > 0, skill_score(brier, season), np.nan),
        brier_skill_substitute=np.where(alarm_days > 0, skill_score(brier, substitute), np.nan),
        substitute=tuple(np.where(closer, CLIMATOLOGY, PERSISTENCE).tolist()),
    )
