"""Select the reading to use among several, and describe gauges with many suspect readings."""

from __future__ import annotations

import pandas as pd

from pipeline.geography.places import stations
from pipeline.quality.conflicts import describe_conflicts
from pipeline.quality.flags import USED
from pipeline.remarks import Remark
from pipeline.times import from_utc64

METHODS = ("manual", "calculated", "telemetry")
"""Methods of measurement in order of precedence: of several good values of one time the observer's
comes before one calculated from the day, and both before a sensor's."""
WHOLE_DAY = pd.Timedelta(hours=21.6)
"""Least coverage of a sensor's day of rain, nine tenths: a sum over gaps would be too low."""


def select_best(flagged: pd.DataFrame) -> pd.DataFrame:
    """Select one reading per station, variable and time.

    A used reading precedes a flagged one, then the order of ``METHODS`` decides. Rain adds up, so
    each day (to 00:00 UTC) is taken from one method, and from a sensor only if it reported nine
    tenths of the day.

    Parameters
    ----------
    flagged
        Readings as returned by :func:`pipeline.quality.flags.flag`.
    """
    keys = ["station", "variable"]
    sensor = (flagged["variable"] == "rain") & (flagged["method"] == "telemetry")
    several = flagged.groupby(keys)["method"].transform("nunique") > 1
    several |= flagged.duplicated([*keys, "valid_time"], keep=False)
    if not (several | sensor).any():
        return flagged
    rows = flagged[several | sensor]
    good = rows["qc"].isin(USED) & rows["value"].notna()
    rows = rows.assign(_rank=rows["method"].map(METHODS.index), _bad=~good)
    rain = rows["variable"] == "rain"
    if rain.any():
        rows = pd.concat([_whole_days(rows[rain]), rows[~rain]])
    rows = rows.sort_values([*keys, "valid_time", "_bad", "_rank"])
    rows = rows.drop_duplicates([*keys, "valid_time"]).drop(columns=["_rank", "_bad"])
    rows = pd.concat([flagged[~(several | sensor)], rows])
    return rows.sort_values([*keys, "valid_time"], ignore_index=True)


def _whole_days(rain: pd.DataFrame) -> pd.DataFrame:
    """Select each day's rain of the first method that covers the whole day."""
    series = [rain["station"], rain["method"]]
    day = [*series, rain["valid_time"].dt.ceil("D")]
    usual = rain.groupby(series)["valid_time"].transform(lambda time: time.diff().median())
    covered = (~rain["_bad"]).groupby(day).transform("sum") * usual
    rain = rain[(rain["method"] != "telemetry") | (covered >= WHOLE_DAY)]
    day = [rain["station"], rain["valid_time"].dt.ceil("D")]
    best_rank = rain["_rank"].where(~rain["_bad"]).groupby(day).transform("min")
    return rain[rain["_rank"] == best_rank.fillna(rain["_rank"])]


def select_used(readings: pd.DataFrame) -> pd.DataFrame:
    """Select the readings that may be used: with a value, and flagged as one of ``USED``."""
    return readings[readings["value"].notna() & readings["qc"].isin(USED)]


def describe_suspects(
    readings: pd.DataFrame, *, share: float = 0.2, least: int = 3
) -> list[Remark]:
    """Describe the gauges of the table with many flagged readings, and where files disagree.

    Parameters
    ----------
    readings
        Flagged readings of the interval in question.
    share, least
        Least share and number of flagged readings from which a gauge is named.

    Returns
    -------
    list of Remark
        One per conflict, and per gauge, variable and method; the latter with the time of the last
        suspect reading.
    """
    remarks = describe_conflicts(readings)
    reported = ("absolute", "conflict", "code")
    rows = readings[readings["value"].notna() & readings["station"].isin(list(stations()))]
    for (code, variable, method), series in rows.groupby(["station", "variable", "method"]):
        suspect = series[~series["qc"].isin([*USED, *reported])]
        bad = suspect["qc"].value_counts()
        if bad.sum() >= max(least, share * len(series)):
            why = ", ".join(f"{count} {name}" for name, count in bad.items())
            gauge = f"{stations()[str(code)].name} ({code})"
            text = (
                f"gauges: {gauge}: {bad.sum()} of {len(series)} {method} readings of {variable} "
                f"are suspect and left out ({why})"
            )
            last = from_utc64(suspect["valid_time"].max().to_datetime64())
            remarks.append(Remark(code="readings_suspect", text=text, station=str(code), time=last))
    return remarks
