"""The step of the hours between two nights: look, raise, publish."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from pipeline.progress import Progress, no_progress
from pipeline.results import WatchResult
from pipeline.settings import Settings
from pipeline.sources import SOURCES, select_sources

FETCHED = {
    "gk2a": timedelta(hours=12),
    "gk2a_ir": timedelta(hours=5),
    "imerg_early": timedelta(hours=12),
    "gauges": SOURCES["gauges"].lookback,
    "mrc_live": timedelta(days=2),
    "thaiwater": timedelta(days=2),
}
"""Sources that a watch asks for, and how far back; ``gauges`` are files that somebody puts there,
of any length."""
_END = datetime(9999, 1, 1, tzinfo=UTC)


def watch(
    *, asof: datetime, settings: Settings | None = None, progress: Progress = no_progress
) -> WatchResult:
    """Look at rain and rivers between two nights, raise levels, and replace ``watch.json``.

    The newest rain and readings are ingested; a source that fails is named, and the others count.
    What they show is evidence for the rules of the night. A level is raised and an event begun in
    the chains of the last night's messages; nothing is lowered and nothing ended. In the virtual
    basin only what has been laid out is there.

    Before the first night, and as of a moment before the last night, nothing is done. The same
    watch again sends nothing again.

    Parameters
    ----------
    asof
        Moment of the watch; nothing that became known later is used.

    Raises
    ------
    BadKeys
        Measured data went in, and there are no keys to sign with, or damaged ones.
    """
    from pipeline.exchange.publication import publishing
    from pipeline.ingest.consistency import check_stores
    from pipeline.pages.site import refresh_pages
    from pipeline.storage.records import Records
    from pipeline.watch.look import look_and_raise

    begun = time.monotonic()
    settings, moment = settings or Settings(), f"{asof:%Y-%m-%dT%H:%MZ}"
    check_stores(settings)
    records = Records(settings.database)
    if reason := _tell_why_not(records.last_issued(before=_END), asof):
        return WatchResult(moment, "", missing=(reason,))
    missing = _ingest(asof, settings, progress)
    with publishing(settings.published_dir):
        key = records.last_issued(before=_END)  # a night may have been issued meanwhile
        if key is None or (reason := _tell_why_not(key, asof)):
            return WatchResult(moment, "", missing=(reason,))
        seen = look_and_raise(records.run(*key), asof=asof, settings=settings, missing=missing)
    if seen.raised:
        missing += refresh_pages(settings)
    return WatchResult(
        moment,
        f"{key[0]:%Y-%m-%dT%H:%MZ}",
        raised=tuple(raised.message.identifier for raised in seen.raised),
        datum_minutes=seen.datum_minutes,
        heavy_rain=tuple(seen.seen.heavy_rain()),
        over_mark=tuple(seen.seen.over_mark()),
        sudden=tuple(change.station for change in seen.seen.sudden or ()),
        missing=tuple(missing),
        seconds=round(time.monotonic() - begun, 1),
    )


def _tell_why_not(last: tuple[datetime, int] | None, asof: datetime) -> str:
    """Say why a watch does nothing; empty where it does."""
    if last is None:
        return "no night has been issued"
    return f"the night of {last[0]:%Y-%m-%d %H:%MZ} is newer" if asof <= last[0] else ""


def _ingest(asof: datetime, settings: Settings, progress: Progress) -> list[str]:
    """Ingest what is newest; return what could not be had, in words."""
    from pipeline import steps

    missing = []
    names = [name for name in FETCHED if name in select_sources(settings.upstream)]
    for number, name in enumerate(names, 1):
        progress(name, number, len(names))
        try:
            done = steps.ingest(name, asof=asof, start=asof - FETCHED[name], settings=settings)
        except Exception as error:  # noqa: BLE001  (one dead source must not blind the watch)
            missing.append(f"{name}: {' '.join(str(error).split())[:120]}")
            continue
        if done.needs:
            missing.append(f"{name}: needs {done.needs}")
        elif done.nothing_came_in and name != "gauges":
            missing.append(f"{name}: nothing came in")
    return missing
