"""Evidence of a decision: forecasts and observations of one place, validated on construction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal, Self

import pandas as pd

DRIVERS = ("height", "own_trend", "upstream", "rain", "wetness", "season", "tide")
"""Components of the change of a forecast's median."""
TIERS = frozenset({"full", "gk2a_rain", "no_rain", "no_upstream", "own_stage", "climatology"})
"""Inputs that a stage forecast had."""


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Forecast of a gauge for one day ahead.

    Parameters
    ----------
    days, valid_time
        Lead and the moment it is for.
    q05_m, q50_m, q95_m
        Quantiles of the stage, metres.
    p_alarm_by, p_flood_by
        Probability that the stage reaches the alarm or flood stage on any day up to this one.
    drivers_cm
        Components of the change of the median since the last reading.
    extrapolated
        Whether the 95 % quantile or the last reading lies above the highest stage of the training
        data.
    median_extrapolated
        Whether the median or the last reading does.
    """

    days: int
    valid_time: datetime
    q05_m: float
    q50_m: float
    q95_m: float
    p_alarm_by: float
    p_flood_by: float
    drivers_cm: Mapping[str, float]
    extrapolated: bool
    median_extrapolated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, NaN as null."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        row |= {"valid_time": self.valid_time.isoformat(), "drivers_cm": _to_null(self.drivers_cm)}
        return _to_null(row)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        values = _to_nan(row) | {"drivers_cm": _to_nan(row["drivers_cm"])}
        return cls(**values | {"valid_time": datetime.fromisoformat(row["valid_time"])})


def _to_null(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in values.items()
    }


def _to_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in values.items()}


def find_highest(leads: Iterable[Lead]) -> Lead | None:
    """Find the first day with the highest median stage; None if no median is known."""
    known = [lead for lead in leads if not math.isnan(lead.q50_m)]
    return max(known, key=lambda lead: (lead.q50_m, -lead.days), default=None)


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Newest reading of a gauge where it is not trusted yet, or readings that disagree.

    Parameters
    ----------
    kind
        ``unconfirmed``: one reading beyond the range of the gauge's record; the next one decides.
        ``conflict``: readings of one time on both sides of the alarm or the flood stage.
    lowest_m, highest_m
        Lowest and highest stage read; the same for one reading.
    time
        Time of the reading.
    """

    kind: Literal["unconfirmed", "conflict"]
    lowest_m: float
    highest_m: float
    time: datetime


@dataclass(frozen=True, kw_only=True)
class River:
    """Stage forecast and last reading of one gauge.

    Parameters
    ----------
    station, issue_time
        MRC code and moment of issue.
    leads
        One per day ahead, in order.
    tier
        Inputs of the forecast: full, gk2a_rain (GK2A's rain where IMERG's is missing), no_rain,
        no_upstream, own_stage or climatology.
    stage_m, stage_time
        Last reading, NaN and None where there is none.
    change_1d_m
        Change of the observed stage over the day before that reading, NaN if not known.
    model_version
        Version of the model.
    skilful_until_day
        Days ahead up to which the forecast is the model's own, by its licence; later ones may be
        persistence or climatology. None where a run did not say.
    drivers_method
        ``exact`` or ``substitution``; empty where a run did not say.
    doubt
        Newer reading than the last one that is not trusted.

    Raises
    ------
    ValueError
        A probability lies outside 0..1, P(flood) exceeds P(alarm), a probability falls as the
        window lengthens, or a tier or driver is unknown.
    """

    station: str
    issue_time: datetime
    leads: tuple[Lead, ...]
    tier: str
    stage_m: float
    stage_time: datetime | None
    change_1d_m: float
    model_version: str
    skilful_until_day: int | None
    drivers_method: str
    doubt: Doubt | None = None

    def __post_init__(self) -> None:
        drivers = {name for lead in self.leads for name in lead.drivers_cm}
        if self.tier not in TIERS or not drivers <= {*DRIVERS}:
            raise ValueError(
                f"{self.station}: expected a tier of {sorted(TIERS)} and drivers of "
                f"{sorted(DRIVERS)}, found {self.tier}, {sorted(drivers)}"
            )
        alarm = flood = 0.0
        for lead in self.leads:
            for p in (lead.p_alarm_by, lead.p_flood_by):
                if not (math.isnan(p) or 0.0 <= p <= 1.0):
                    raise ValueError(f"{self.station}: expected a probability, found {p}")
            if lead.p_flood_by > lead.p_alarm_by + 1e-9:
                raise ValueError(
                    f"{self.station}, day {lead.days}: expected P(flood) <= P(alarm), found "
                    f"{lead.p_flood_by} > {lead.p_alarm_by}"
                )
            if lead.p_alarm_by < alarm - 1e-9 or lead.p_flood_by < flood - 1e-9:
                raise ValueError(
                    f"{self.station}, day {lead.days}: expected probabilities that do not fall as "
                    f"the window lengthens, found {lead.p_alarm_by} after {alarm}, "
                    f"{lead.p_flood_by} after {flood}"
                )
            alarm = alarm if math.isnan(lead.p_alarm_by) else lead.p_alarm_by
            flood = flood if math.isnan(lead.p_flood_by) else lead.p_flood_by

    @classmethod
    def from_rows(cls, rows: pd.DataFrame, *, change_1d_m: float) -> Self:
        """Take the rows of one station and issue time from the forecast table.

        Parameters
        ----------
        rows
            Canonical stage forecasts, one row per lead.
        change_1d_m
            Change of the observed stage over the last day, NaN if not known.
        """
        rows = rows.sort_values("lead_days")
        keys = rows[["station", "issue_time"]].drop_duplicates()
        if len(keys) != 1 or rows["lead_days"].duplicated().any():
            raise ValueError(
                f"expected one station, one issue time and each lead once, found {len(rows)} rows "
                f"of {len(keys)} stations and issue times"
            )
        first = rows.iloc[0]
        return cls(
            station=str(first["station"]),
            issue_time=_utc(first["issue_time"]),
            leads=tuple(
                Lead(
                    days=int(row["lead_days"]),
                    valid_time=_utc(row["valid_time"]),
                    q05_m=float(row["q05"]),
                    q50_m=float(row["q50"]),
                    q95_m=float(row["q95"]),
                    p_alarm_by=float(row["p_alarm_by"]),
                    p_flood_by=float(row["p_flood_by"]),
                    drivers_cm=dict(row["drivers_cm"] or {}),
                    extrapolated=bool(row["extrapolated"]),
                    median_extrapolated=bool(row.get("median_extrapolated", False)),
                )
                for row in rows.to_dict("records")
            ),
            tier=str(first["tier"]),
            stage_m=float(first["stage_m"]),
            stage_time=None if pd.isna(first["stage_time"]) else _utc(first["stage_time"]),
            change_1d_m=change_1d_m,
            model_version=str(first["model_version"]),
            skilful_until_day=int(first["skilful_until_day"]) if "issued_as" in rows else None,
            drivers_method=str(first.get("drivers_method", "")),
        )

    def p_by(self, threshold_stage: Literal["alarm", "flood"], days: int) -> float:
        """Probability of the alarm or flood stage within so many days, NaN if not known."""
        for lead in self.leads:
            if lead.days == days:
                return lead.p_alarm_by if threshold_stage == "alarm" else lead.p_flood_by
        return math.nan

    @property
    def peak(self) -> Lead | None:
        """Day with the highest median stage, None if no median is known."""
        return find_highest(self.leads)


def _utc(moment: Any) -> datetime:
    """Aware UTC moment of a table's naive or aware timestamp."""
    stamp = pd.Timestamp(moment)
    stamp = stamp.tz_localize(UTC) if stamp.tzinfo is None else stamp.tz_convert(UTC)
    return stamp.to_pydatetime()


@dataclass(frozen=True, kw_only=True)
class Rain:
    """Rain over a city.

    Parameters
    ----------
    return_period_years
        Of the rarer of the rain of the day before and of three days up to it, NaN where not known.
    pluvial_index
        Of the last 48 hours, NaN where not known.
    tier
        Product of the rain: ``imerg``, ``gk2a``, or empty where it is not known.
    log_error
        Standard deviation of the logarithm of the previous day's rain over that of IMERG Late, NaN
        where not known; 0 where all of it is from Late or its daily file.
    suspect
        Whether it rests on files whose cells are valid and that are suspect as a whole.
    depth_mm, duration_days
        Rain of the days that the return period is of, and their number, 1 or 3; NaN and 1 where
        not known.
    duration_h
        Hours that they are of instead, 1, 3 or 6, as the hourly watch has it; None at night.
    """

    return_period_years: float
    pluvial_index: float
    tier: str = ""
    log_error: float = math.nan
    suspect: bool = False
    depth_mm: float = math.nan
    duration_days: int = 1
    duration_h: int | None = None


@dataclass(frozen=True, kw_only=True)
class Drought:
    """Drought forecast of one zone.

    Parameters
    ----------
    zone
        Id of the zone.
    current_class
        −1 for no drought, 0..4 for D0..D4, None if not known.
    cdi
        Combined drought indicator: none, watch, warning, alert or unknown.
    spi1, spi3
        Standardised rain of one and three months, NaN if not known.
    soil_moisture_percentile, vhi
        Percent, NaN if not known.
    p
        Weeks ahead to P(class >= D0..D4).
    tier
        Inputs of the forecast; ``climatology`` is no forecast.
    substitutes
        Substitute products (CDF-matched) in use for late ones.
    suspect
        Whether neither rain nor soil moisture is known from files that are not suspect.

    Raises
    ------
    ValueError
        A probability lies outside 0..1 or rises with the class.
    """

    zone: str
    current_class: int | None
    cdi: str
    spi1: float
    spi3: float
    soil_moisture_percentile: float
    vhi: float
    p: Mapping[int, tuple[float, float, float, float, float]]
    tier: str
    substitutes: tuple[str, ...] = ()
    suspect: bool = False

    def __post_init__(self) -> None:
        if self.cdi not in {"none", "watch", "warning", "alert", "unknown"}:
            raise ValueError(f"{self.zone}: expected a value of the CDI, found {self.cdi!r}")
        for weeks, row in self.p.items():
            known = [p for p in row if not math.isnan(p)]
            if not all(0.0 <= p <= 1.0 for p in known) or any(
                b > a + 1e-9 for a, b in pairwise(known)
            ):
                raise ValueError(
                    f"{self.zone}, {weeks} weeks: expected probabilities that fall with the class, "
                    f"found {row}"
                )

    @classmethod
    def from_rows(cls, rows: pd.DataFrame) -> Self:
        """Take the rows of one zone and issue time from the forecast table.

        ``current_class`` may be −1..4, "none", "D0".."D4", or missing.
        """
        if len(rows["zone"].unique()) != 1 or rows["horizon_weeks"].duplicated().any():
            raise ValueError(
                f"expected one zone and each horizon once, found {len(rows)} rows of "
                f"{len(rows['zone'].unique())} zones"
            )
        first = rows.iloc[0]
        return cls(
            zone=str(first["zone"]),
            current_class=_class(first["current_class"]),
            cdi=str(first["cdi"]),
            spi1=float(first["spi1"]),
            spi3=float(first["spi3"]),
            soil_moisture_percentile=float(first["soil_moisture_percentile"]),
            vhi=float(first["vhi"]),
            p={
                int(row["horizon_weeks"]): (
                    float(row["p_d0"]),
                    float(row["p_d1"]),
                    float(row["p_d2"]),
                    float(row["p_d3"]),
                    float(row["p_d4"]),
                )
                for row in rows.sort_values("horizon_weeks").to_dict("records")
            },
            tier=str(first["tier"]),
            substitutes=tuple(str(first.get("stands_in", "")).split()),
            suspect=bool(first.get("suspect", False)),
        )

    def p_class(self, number: int, weeks: int) -> float:
        """P(class >= D<number>) so many weeks ahead, NaN if not known."""
        return self.p[weeks][number] if weeks in self.p else math.nan


@dataclass(frozen=True, kw_only=True)
class LowFlow:
    """Forecast of low flow at one gauge.

    Parameters
    ----------
    current_class
        −1 for none, 0..4 for D0..D4 of the week's mean stage in its season, None if not known.
    p_d1, p_below_6a
        Weeks ahead to P(class >= D1), and to P(flow below that of PMFM Article 6A); NaN if not
        known.
    """

    current_class: int | None
    p_d1: Mapping[int, float]
    p_below_6a: Mapping[int, float]

    @classmethod
    def from_rows(cls, rows: pd.DataFrame) -> Self:
        """Take the rows of one gauge and issue time from the forecast table."""
        weeks = rows["horizon_weeks"].astype(int)
        return cls(
            current_class=_class(rows["current_class"].iloc[0]),
            p_d1=dict(zip(weeks, rows["p_d1"].astype(float), strict=True)),
            p_below_6a=dict(zip(weeks, rows["p_below_6a"].astype(float), strict=True)),
        )


def _class(value: Any) -> int | None:
    names = {"none": -1, "unknown": None} | {f"D{k}": k for k in range(5)}
    if isinstance(value, str):
        if value not in names:
            raise ValueError(f"expected a drought class, found {value!r}")
        return names[value]
    return None if pd.isna(value) else int(value)
