"""Choose among several values of one gauge for one time, and describe such conflicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.geography.places import stations
from pipeline.quality.neighbours import AuxiliaryReadings
from pipeline.remarks import Remark
from pipeline.times import from_utc64

SERIES = ["station", "variable", "method"]
SEVERITY = {"suspect": 3, "conflict": 2, "estimated": 1}
"""Severity of each flag: of one value given twice the worse flag stays."""
NOT_COUNTED = ("suspect", "absolute")
"""Flags of values that contradict no other: doubted by their agency, or a level above the sea."""
RECENT_H = 48.0
"""Greatest age of the previous value that counts, hours."""
_HOUR = np.timedelta64(3600, "s")


def keep_alternatives(readings: pd.DataFrame) -> pd.DataFrame:
    """Drop values of one time that repeat another or that do not count beside another.

    Values equal to the millimetre become one, with the worse flag. A value that is missing,
    ``suspect`` or a level above the sea (``absolute``) is dropped where another counts; where none
    does, one is kept, and levels above the sea that differ are flagged ``suspect``.

    Parameters
    ----------
    readings
        Canonical readings.
    """
    key = [*SERIES, "valid_time"]
    several = readings.duplicated(key, keep=False)
    if not several.any():
        return readings
    rows = readings[several]
    rows = rows.assign(
        _millimetres=(1000.0 * rows["value"]).round(),
        _sea=rows["qc"] == "absolute",
        _worse=rows["qc"].map(SEVERITY).fillna(0),
    )
    rows = rows.sort_values("_worse", ascending=False, kind="stable")
    rows = rows.drop_duplicates([*key, "_millimetres", "_sea"])
    aside = np.select([rows["value"].isna(), rows["qc"] == "suspect", rows["_sea"]], [3, 2, 1], 0)
    rows = rows.assign(_aside=aside)
    rows = rows[rows["_aside"] == rows.groupby(key)["_aside"].transform("min")]
    differ = (rows["_aside"] > 0) & rows.duplicated(key, keep=False)
    rows["qc"] = rows["qc"].mask(differ, "suspect")
    rows = rows[~(differ & rows.duplicated(key))]
    rows = rows.drop(columns=["_millimetres", "_sea", "_worse", "_aside"])
    return pd.concat([readings[~several], rows]).sort_index()


def choose_values(readings: pd.DataFrame, auxiliary: AuxiliaryReadings) -> pd.DataFrame:
    """Choose among several values of one time.

    The value nearest to the one expected from the previous reading and the neighbours is flagged
    ``chosen``, the others ``conflict``. Stages on both sides of the alarm or the flood stage are
    all ``conflict``. Without a recent previous value the largest is chosen.

    Parameters
    ----------
    readings
        Canonical readings in order of series and time.
    auxiliary
        Stages of all gauges at times with one value.

    Returns
    -------
    pandas.DataFrame
        The same rows with the flags changed.
    """
    counts = readings["value"].notna() & ~readings["qc"].isin(NOT_COUNTED)
    repeated = readings[counts].duplicated([*SERIES, "valid_time"], keep=False)
    repeated = repeated.reindex(readings.index, fill_value=False)
    if not repeated.any():
        return readings
    qc = readings["qc"].to_numpy(dtype=object, copy=True)
    time = readings["valid_time"].to_numpy("datetime64[ns]")
    value = readings["value"].to_numpy("float64")
    series = readings.groupby(SERIES, sort=False).ngroup().to_numpy()
    rows = np.flatnonzero(repeated)
    starts = np.flatnonzero((np.diff(series[rows]) != 0) | (np.diff(time[rows]) != 0)) + 1
    for same in np.split(rows, starts):
        if len(same) < 2:
            continue
        station, variable = (str(readings[name].iloc[same[0]]) for name in SERIES[:2])
        qc[same] = "conflict"
        if variable == "stage" and _span_threshold(station, value[same].tolist()):
            continue
        previous = int(same[0]) - 1
        while (
            previous >= 0
            and series[previous] == series[same[0]]
            and (np.isnan(value[previous]) or qc[previous] in {"conflict", *NOT_COUNTED})
        ):
            previous -= 1
        has_previous = previous >= 0 and series[previous] == series[same[0]]
        apart_h = (time[same[0]] - time[previous]) / _HOUR if has_previous else np.inf
        if apart_h <= RECENT_H:
            expected = value[previous]
            if variable == "stage":
                until = (time[same[0]] - np.datetime64(0, "ns")) / _HOUR
                expected += auxiliary.expected_change(
                    station, since_h=until - apart_h, until_h=until
                )
        else:
            expected = np.inf
        nearest = np.argmin(np.abs(np.minimum(expected, 1e9) - value[same]))
        qc[same[nearest]] = "chosen"
    return readings.assign(qc=pd.array(qc, dtype="str"))


def _span_threshold(station: str, values: Sequence[float]) -> bool:
    """Whether values lie on both sides of a gauge's alarm or flood stage."""
    gauge = stations().get(station)
    thresholds = [] if gauge is None else [gauge.alarm_m, gauge.flood_m]
    return any(
        threshold is not None and min(values) < threshold <= max(values) for threshold in thresholds
    )


def describe_conflicts(readings: pd.DataFrame) -> list[Remark]:
    """Describe the conflicts of the gauges of the table, a remark per gauge and time.

    Parameters
    ----------
    readings
        Flagged readings of the interval in question.
    """
    rows = readings[readings["qc"].isin(["conflict", "chosen"]) & readings["value"].notna()]
    rows = rows[rows["station"].isin(list(stations()))]
    remarks = []
    for (code, variable, _, time), same in rows.groupby([*SERIES, "valid_time"]):
        if len(same) < 2:
            continue
        gauge = stations()[str(code)]
        values = " and ".join(
            sorted(
                _describe_value(*row)
                for row in same[["value", "unit", "raw"]].itertuples(index=False)
            )
        )
        chosen = same.loc[same["qc"] == "chosen", "value"]
        outcome = (
            f"{chosen.iloc[0]:g} is used"
            if len(chosen)
            else (
                f"neither is used, for they lie on both sides of the alarm or the flood stage "
                f"({gauge.alarm_m:g} m, {gauge.flood_m:g} m)"
            )
        )
        text = (
            f"gauges: {gauge.name} ({code}): {len(same)} values of {variable} for "
            f"{time:%Y-%m-%d %H:%MZ}: {values}; {outcome}"
        )
        remarks.append(
            Remark(
                code="readings_conflict",
                text=text,
                station=str(code),
                time=from_utc64(same["valid_time"].iloc[0].to_datetime64()),
            )
        )
    return remarks


def describe_stations(readings: pd.DataFrame) -> list[str]:
    """Describe the stations whose files contradict each other: how often, and the first time.

    Parameters
    ----------
    readings
        Readings of one ingest; several values of one time are flagged ``conflict``, with the
        place of each in its file in ``raw``.
    """
    rows = readings[readings["qc"] == "conflict"]
    lines = []
    for (code, variable, _), series in rows.groupby(SERIES):
        first = series["valid_time"].min()
        values = " and ".join(
            _describe_value(*row)
            for row in series.loc[series["valid_time"] == first, ["value", "unit", "raw"]]
            .sort_values("value")
            .itertuples(index=False)
        )
        count = series["valid_time"].nunique()
        lines.append(
            f"{name_gauge(str(code))}: {count} times with several values of {variable}, the first "
            f"{first:%Y-%m-%d %H:%MZ}: {values}"
        )
    return lines


def name_gauge(code: str) -> str:
    """Return the name and code of a gauge of the table, the code alone of an unknown station."""
    gauge = stations().get(code)
    return code if gauge is None else f"{gauge.name} ({code})"


def _describe_value(value: float, unit: str, raw: str) -> str:
    """Describe the value of a reading and its place in the file."""
    text = f"{value:g} {unit}"
    return f"{text} ({raw})" if raw else text
