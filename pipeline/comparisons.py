"""Step that compares a rival's archive of forecasts with ours; the command line calls it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.settings import Settings
from pipeline.steps import UserError

if TYPE_CHECKING:
    from models.verification.comparison import RivalComparison


def compare(
    rival: Path,
    *,
    asof: datetime,
    ours: Path | None = None,
    folder: Path | None = None,
    settings: Settings | None = None,
) -> RivalComparison:
    """Score a rival's forecasts beside ours on the same gauges, days and stages.

    Parameters
    ----------
    rival
        CSV or netCDF file, as of :func:`models.verification.rivals.read_rival`.
    asof
        Moment up to which our forecasts were issued and readings were known.
    ours
        ``forecasts.parquet`` of a hindcast; default our forecasts as issued.
    folder
        Folder for ``comparison.csv`` and ``comparison.html``; default nothing is written.
    settings
        Default: from the environment.

    Raises
    ------
    UserError
        The rival's file or the hindcast's is not what it should be, or no case is left.
    FileNotFoundError
        One of them is not there.
    """
    from models.verification.archives import read_hindcast, read_issued
    from models.verification.comparison import compare_archives
    from models.verification.comparison_files import write_comparison
    from models.verification.rivals import read_rival
    from pipeline.ingest.consistency import check_stores
    from pipeline.quality.selection import select_used
    from pipeline.sources.base import BadGranule
    from pipeline.storage.records import Records

    settings = settings or Settings()
    check_stores(settings)
    records = Records(settings.database)
    try:
        theirs = read_rival(rival)
        days = theirs.rows["issue_day"]
        start, end = (day.to_pydatetime().replace(tzinfo=UTC) for day in (days.min(), days.max()))
        own = (
            read_issued(records, asof=asof, start=start, end=end + timedelta(days=1))
            if ours is None
            else read_hindcast(ours)
        )
    except (BadGranule, ValueError) as error:
        raise UserError(f"cannot compare: {error}") from error
    if own.rows.empty:
        raise UserError(
            f"cannot compare: expected stage forecasts issued {start:%Y-%m-%d} to {end:%Y-%m-%d}, "
            "found none; --ours takes those of a hindcast"
        )
    stations = sorted(set(own.rows["station"]) & set(theirs.rows["station"]))
    readings = select_used(records.readings.read("stage", asof=asof, stations=stations))
    observed = readings.set_index(["station", "valid_time"])["value"]
    own = replace(own, virtual=own.virtual or bool((readings["origin"] == "virtual").any()))
    try:
        comparison = compare_archives(own, theirs, observed)
    except LookupError as error:
        raise UserError(f"cannot compare: {error}") from error
    if folder is not None:
        write_comparison(comparison, folder)
    return comparison
