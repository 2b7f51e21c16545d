"""Whole nights in one process: the steps in their order, and nights that were missed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from pipeline import steps
from pipeline.progress import Progress, no_progress
from pipeline.settings import Settings
from pipeline.sources import select_sources

if TYPE_CHECKING:
    from pipeline.gridded.job import JobResult
    from pipeline.ingest.run import Ingested
    from pipeline.results import Assessed, Forecast, Published, Simulated, Trained, Verified

    Result = Simulated | Trained | Ingested | Assessed | Forecast | Published | Verified | JobResult

NIGHT = time(0, 30)
"""Issue time of the nights, UTC."""
DAY = timedelta(days=1)
MOST_MISSED = 10
"""Longest outage in nights that is caught up; after a longer one they are made by hand."""


def run_night(
    *, asof: datetime, settings: Settings | None = None, progress: Progress = no_progress
) -> Iterator[Result]:
    """Run all steps of a night, and yield what each did.

    Where there are no models, the history is ingested and models are trained first.

    Parameters
    ----------
    asof
        Issue time.
    settings
        Default: from the environment.
    progress
        Progress callback.
    """
    settings = settings or Settings()
    if settings.upstream == "virtual":
        yield steps.simulate(asof=asof, settings=settings, progress=progress)
    trained = steps.prepare(asof=asof, settings=settings, progress=progress)
    if trained:
        yield trained
    for source in select_sources(settings.upstream):
        yield steps.ingest(source, asof=asof, settings=settings, progress=progress)
    yield steps.assess(asof=asof, settings=settings)
    yield steps.indices(asof=asof, settings=settings)
    yield steps.forecast(asof=asof, settings=settings)
    yield steps.publish(asof=asof, settings=settings)
    yield steps.verify(asof=asof, settings=settings)


def find_missed(*, asof: datetime, settings: Settings | None = None) -> list[datetime]:
    """Find the nights between the last that was issued and a moment, in order.

    Returns
    -------
    list of datetime
        Issue times before ``asof``; empty where none was issued before, or where more than
        ``MOST_MISSED`` were missed.
    """
    from pipeline.storage.records import Records

    settings = settings or Settings()
    last = Records(settings.database).last_issued(before=asof)
    if last is None:
        return []
    count = (asof.date() - last[0].date()).days
    nights = (datetime.combine(last[0], NIGHT, UTC) + number * DAY for number in range(count + 1))
    missed = [night for night in nights if last[0] < night < asof]
    return missed if len(missed) <= MOST_MISSED else []


def catch_up(*, asof: datetime, settings: Settings | None = None) -> list[datetime]:
    """Issue the nights that were missed before a moment, in order, and send no message of them.

    What they would have seen is taken from the stores: the night's own ingest reaches back over
    them. Levels, their hysteresis and the forecasts to be scored then have no gap.

    Returns
    -------
    list of datetime
        Issue times of these nights.
    """
    settings = settings or Settings()
    missed = find_missed(asof=asof, settings=settings)
    for night in missed:
        verify_last(asof=night, settings=settings)
        steps.assess(asof=night, settings=settings)
        steps.forecast(asof=night, settings=settings, late=True)
        steps.publish(asof=night, settings=settings)
    return missed


def verify_last(*, asof: datetime, settings: Settings | None = None) -> None:
    """Score the last night before a moment if nobody has: the next tree publishes its scoreboard.

    Nothing is done where no night was issued before.
    """
    from pipeline.scoring import is_scored
    from pipeline.storage.records import Records

    settings = settings or Settings()
    last = Records(settings.database).last_issued(before=asof)
    if last is not None and not is_scored(asof=last[0], settings=settings):
        steps.verify(asof=last[0], settings=settings)
