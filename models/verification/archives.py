"""Archives of stage forecasts in one form, and this project's own: as issued, or of a hindcast."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.stage.names import QUANTILES
from pipeline.storage import database
from pipeline.storage.records import Records
from pipeline.times import utc64

Variable = Literal["stage", "discharge"]
KEYS = ("station", "issue_day", "lead_days")
"""Columns that name a case; the issue day is that of the issue time in UTC."""
PROBABILITIES = ("p_alarm", "p_flood")
TIMES_OF_TABLE = ("issue_time", "valid_time")
OWN_COLUMNS = ("station", "lead_days", *TIMES_OF_TABLE, *QUANTILES, "mean_m", *PROBABILITIES)


@dataclass(frozen=True)
class ForecastArchive:
    """Forecasts of one origin, a row per gauge, issue day and lead.

    Parameters
    ----------
    name
        What the archive is, for people.
    rows
        Columns ``KEYS``, ``issue_time`` and ``valid_time`` (naive UTC, the latter 00:00), ``point``
        (the mean or the one value; NaN where there is none), ``p_alarm`` and ``p_flood`` (on the
        valid day; NaN where not given).
    values
        Quantiles or sorted members, shape (n, n_levels), in m or m3/s; no columns where there are
        none.
    levels
        Probability of each column of ``values``, increasing; of m members (k − ½)/m.
    members
        Whether ``values`` are members of an ensemble.
    variable
        Stage (m above the gauge's zero) or discharge (m3/s).
    virtual
        Whether any forecast is of the virtual basin.
    remarks
        What was left out or assumed, in plain words.
    """

    name: str
    rows: pd.DataFrame
    values: NDArray[np.float64]
    levels: tuple[float, ...]
    members: bool = False
    variable: Variable = "stage"
    virtual: bool = False
    remarks: tuple[str, ...] = field(default=())


def add_issue_day(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the issue day, and order the rows so that the first issue of a day comes first."""
    rows = rows.assign(issue_day=rows["issue_time"].dt.floor("D"))
    return rows.sort_values([*KEYS, "issue_time"])


def read_issued(
    records: Records, *, asof: datetime, start: datetime, end: datetime
) -> ForecastArchive:
    """Read the stage forecasts as issued, of the last revision of each issue time.

    Parameters
    ----------
    records
        Tables.
    asof
        Runs issued before this moment are read.
    start, end
        First and last issue time, aware; both included.
    """
    runs: dict[datetime, dict[str, Any]] = {}
    for run in records.runs():  # the last revision of an issue time comes first
        if start <= run["issue_time"] <= end and run["issue_time"] < asof:
            runs.setdefault(run["issue_time"], run)
    table = []
    for moment, run in runs.items():
        for row in records.get(database.stage_forecasts, moment, run["revision"]):
            times = {"issue_time": utc64(moment), "valid_time": utc64(row["valid_time"])}
            values = {name: row["row"].get(name) for name in (*QUANTILES, "mean_m", *PROBABILITIES)}
            table.append(
                {"station": row["station"], "lead_days": row["lead_days"]} | times | values
            )
    late = [
        run for run in runs.values() if run["late"] or run["sent"] not in (None, run["issue_time"])
    ]
    remarks = []
    if late:
        remarks.append(
            f"ours: {len(late)} of {len(runs)} runs were made after their issue time, from what "
            "was known at it"
        )
    virtual = any(run["origin"] == "virtual" for run in runs.values())
    frame = pd.DataFrame(table, columns=list(OWN_COLUMNS))
    name = f"ours, as issued by {len(runs)} runs"
    return _to_archive(frame, name, virtual=virtual, remarks=remarks)


def read_hindcast(path: Path) -> ForecastArchive:
    """Read ``forecasts.parquet`` of a hindcast: the model's own forecasts at every lead.

    Raises
    ------
    FileNotFoundError
        The file is not there.
    ValueError
        It is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected forecasts.parquet of a hindcast in {path}, found none")
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: expected forecasts.parquet of a hindcast, found {error}"
        ) from None
    lacking = [name for name in (*OWN_COLUMNS, "origin") if name not in frame]
    if lacking:
        raise ValueError(f"{path}: expected the columns {', '.join(lacking)}, found none of them")
    remark = (
        "ours: a hindcast, of a model designed when all these years were known; each year was "
        "forecast by one trained on the years before it. These are the model's own forecasts, not "
        "what its licence would have issued"
    )
    virtual = bool((frame["origin"] == "virtual").any())
    return _to_archive(frame, "ours, a hindcast", virtual=virtual, remarks=[remark])


def _to_archive(
    frame: pd.DataFrame, name: str, *, virtual: bool, remarks: list[str]
) -> ForecastArchive:
    numbers = [*QUANTILES, "mean_m", *PROBABILITIES]
    frame = frame[list(OWN_COLUMNS)].astype(dict.fromkeys(numbers, "float64"))
    frame = frame.astype(dict.fromkeys(TIMES_OF_TABLE, "datetime64[ns]") | {"lead_days": "int64"})
    frame = add_issue_day(frame[frame["q50"].notna()])
    again = frame.duplicated(list(KEYS))
    if again.any():
        remarks.append(
            f"ours: {int(again.sum())} forecasts of a second issue on the same day are left out"
        )
    frame = frame[~again].reset_index(drop=True)
    # Runs before the mean was published have only the median.
    rows = frame.assign(point=frame["mean_m"].fillna(frame["q50"]))
    rows = rows[[*KEYS, *TIMES_OF_TABLE, "point", *PROBABILITIES]]
    return ForecastArchive(
        name=name,
        rows=rows,
        values=frame[list(QUANTILES)].to_numpy("float64"),
        levels=tuple(QUANTILES.values()),
        virtual=virtual,
        remarks=tuple(remarks),
    )
