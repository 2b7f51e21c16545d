"""Which reading is used where there are several, and which gauges have too many that are not."""

from __future__ import annotations

import pandas as pd

from pipeline.geography.places import stations
from pipeline.quality.conflicts import describe_conflicts
from pipeline.quality.flags import USED

METHODS = ("manual", "calculated", "telemetry")
"""How a value was got, in order of precedence: of several good values of one time the observer's
stands before one calculated from the day, and both before a sensor's."""
WHOLE_DAY = pd.Timedelta(hours=21.6)
"""A sensor's day of rain counts from nine tenths on: a sum over gaps would be too low."""


def select_best(flagged: pd.DataFrame) -> pd.DataFrame:
    """Select one reading per station, variable and time.

    A used one goes before a flagged one, then the method that comes first in ``METHODS``. Rain
    adds up, so of each day (to 00:00 UTC) only one method is taken, and of a sensor only days of
    which it reported nine tenths.

    Parameters
    ----------
    flagged
        As :func:`pipeline.quality.flags.flag` gives them.
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
    """Rain of the first method that has a whole day, day by day."""
    series = [rain["station"], rain["method"]]
    day = [*series, rain["valid_time"].dt.ceil("D")]
    usual = rain.groupby(series)["valid_time"].transform(lambda time: time.diff().median())
    seen = (~rain["_bad"]).groupby(day).transform("sum") * usual
    rain = rain[(rain["method"] != "telemetry") | (seen >= WHOLE_DAY)]
    day = [rain["station"], rain["valid_time"].dt.ceil("D")]
    first = rain["_rank"].where(~rain["_bad"]).groupby(day).transform("min")
    return rain[rain["_rank"] == first.fillna(rain["_rank"])]


def select_used(readings: pd.DataFrame) -> pd.DataFrame:
    """Keep the readings that may be used as they are: known, and flagged as one of ``USED``."""
    return readings[readings["value"].notna() & readings["qc"].isin(USED)]


def describe_suspects(readings: pd.DataFrame, *, share: float = 0.2, least: int = 3) -> list[str]:
    """Say which gauges of the table had many of their readings flagged, and where files disagree.

    Parameters
    ----------
    readings
        Flagged readings of the interval in question.
    share, least
        A gauge is named from this share of its readings on, if they are so many.

    Returns
    -------
    list of str
        One line per conflict, and per gauge, variable and method.
    """
    lines = describe_conflicts(readings)
    named = ("absolute", "conflict", "code")
    known = readings[readings["value"].notna() & readings["station"].isin(list(stations()))]
    for (code, variable, method), series in known.groupby(["station", "variable", "method"]):
        bad = series.loc[~series["qc"].isin([*USED, *named]), "qc"].value_counts()
        if bad.sum() >= max(least, share * len(series)):
            why = ", ".join(f"{count} {name}" for name, count in bad.items())
            gauge = f"{stations()[str(code)].name} ({code})"
            lines.append(
                f"gauges: {gauge}: {bad.sum()} of {len(series)} {method} readings of {variable} "
                f"are suspect and left out ({why})"
            )
    return lines
