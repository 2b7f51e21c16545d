"""``health.json``: whether nights run, in one look, for people and for monitors.

What cannot be found out is null and named under ``not_known``; the state is then never ``fine``.
The file tells everybody what failed and what to do, and nobody the text of an exception.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar, get_args

import sqlalchemy as sa

from pipeline.alerts.decision import Status
from pipeline.exchange.keys import load_keys
from pipeline.exchange.publication import HEALTH, LAST_GOOD, METRICS
from pipeline.geography import places
from pipeline.settings import Settings
from pipeline.sources import SOURCES, select_sources
from pipeline.storage.atomic import draft_file, make_passable_folder, open_locked
from pipeline.storage.records import Records
from pipeline.supervision.delivery import list_channels
from pipeline.supervision.inspection import CLOCKS_APART, Inspection, inspect_published
from pipeline.supervision.metrics import knows_to_do, write_metrics
from pipeline.supervision.notice_book import NoticeBook, read_book
from pipeline.times import format_utc

SCHEMA_VERSION = 1
READABLE = 0o644
"""Rights of the files: everybody reads them."""
LOCK_S = 10.0
"""Longest wait for another process that writes them (s)."""
LEAST_FREE_BYTES = 5 << 30
"""Room on the disk below which it is told: some fifty nights of the flood season."""
_NAMED = ("model_version", "archive_snapshot")
"""Versions that an index names."""
_T = TypeVar("_T")


def observe_health(
    settings: Settings, *, asof: datetime, tree: Inspection | None = None
) -> dict[str, Any]:
    """Find out whether nights run; nothing is written and nothing raised.

    Parameters
    ----------
    settings
        Folders, tables and the limit of the dead man.
    asof
        Now, aware.
    tree
        The newest published tree where it has been inspected by now.

    Returns
    -------
    dict
        Content of ``health.json``, as ``$defs/health`` of the published schema.
    """
    not_known = list[str]()

    def know(what: str, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except Exception as error:  # noqa: BLE001  (whatever fails, the rest must be told)
            not_known.append(f"{what}: {type(error).__name__}")
            return None

    if tree is None:
        tree = know("published tree", lambda: inspect_newest(settings, asof=asof))
    tree = tree or Inspection()
    recorded = know("last good night", lambda: read_last_good(settings.published_dir))
    if recorded is not None and recorded > asof + CLOCKS_APART:
        not_known.append(f"last good night: dated {format_utc(recorded)}, in the future")
        recorded = None
    last_good = max(filter(None, [recorded, tree.issue_time if tree.whole else None]), default=None)
    book = know("notices", lambda: read_book(settings)) or NoticeBook()
    sources = know("sources", lambda: _read_sources(settings, asof=asof))
    disk = know("disk", lambda: _read_disk(settings))
    if last_good is None:
        not_known.append("last good night: none is known")
    in_force = tree.expires_at is not None and tree.expires_at > asof
    if tree.expires_at is None:
        not_known.append("alerts: no tree can be read")
    elif not in_force:
        not_known.append(f"alerts: the tree holds no more since {format_utc(tree.expires_at)}")
    limit = timedelta(hours=settings.dead_man_hours)
    status = tree.index.get("status")
    health: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "asof": format_utc(asof),
        "status": status if status in get_args(Status) else None,
        "state": "unknown",
        "summary": "",
        "last_good_night": last_good and {
            "issue_time": format_utc(last_good),
            "age_hours": _hours(asof - last_good),
        },
        "dead_man": {
            "limit_hours": settings.dead_man_hours,
            "due_by": last_good and format_utc(last_good + limit),
            "over": None if last_good is None else asof - last_good > limit,
        },
        "to_do": _list_to_do(book, tree),
        "sources": sources,
        "tiers": know("tiers", lambda: _count_tiers(tree)) if in_force else None,
        "alerts": know("alerts", lambda: _count_levels(tree)) if in_force else None,
        "disk": disk,
        "channels": list_channels(settings),
        "versions": _list_versions(tree),
        "not_known": not_known,
    }  # fmt: skip
    health["state"] = "failing" if not tree.good else _judge(health, last_good, book)
    health["summary"] = _summarise(health)
    return health


def write_health(
    settings: Settings, *, asof: datetime, tree: Inspection | None = None
) -> dict[str, Any]:
    """Write ``health.json``, the metrics and the last good night beside the published trees.

    Each is replaced by one rename. The last good night is written only where it is a later one: an
    outside monitor that sees it grow old needs nothing of this machine.

    Parameters
    ----------
    settings, asof, tree
        As of :func:`observe_health`.

    Returns
    -------
    dict
        Content of ``health.json``.

    Raises
    ------
    OSError
        The folder cannot be written, or the disk is full.
    Busy
        Another process writes them and does not end in time.
    """
    folder = settings.published_dir
    health = observe_health(settings, asof=asof, tree=tree)
    make_passable_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    lock = settings.region_dir / ".health.lock"
    with open_locked(lock, deadline=time.monotonic() + LOCK_S):
        last_good = health["last_good_night"]
        if last_good is not None:
            _write(folder / LAST_GOOD, f"{last_good['issue_time']}\n".encode())
        _write(folder / METRICS, write_metrics(health).encode())
        content = json.dumps(health, ensure_ascii=False, indent=1) + "\n"
        _write(folder / HEALTH, content.encode())
    return health


def _write(path: Path, content: bytes) -> None:
    """Replace a file by one rename, synced to disk; one with this content stays, and its time."""
    if path.is_file() and path.read_bytes() == content:
        return
    with draft_file(path) as draft, draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
        draft.chmod(READABLE)


def inspect_newest(
    settings: Settings, *, asof: datetime, oldest: datetime | None = None
) -> Inspection:
    """Inspect the newest published tree against the tables of cities and the keys of the settings.

    Parameters
    ----------
    settings
        Folders, region and keys.
    asof
        Now, aware.
    oldest
        Issue time that the tree must have at least; default the limit of the dead man before now.
    """
    keys = load_keys(settings)
    return inspect_published(
        settings.published_dir,
        asof=asof,
        oldest=oldest or asof - timedelta(hours=settings.dead_man_hours),
        cities=places.cities(settings.region, asof=asof),
        public=keys.public if keys else None,
    )


def read_last_good(published: Path) -> datetime | None:
    """Read the issue time of the last good night; None where none was written.

    Raises
    ------
    ValueError
        The file holds no moment.
    """
    path = published / LAST_GOOD
    if not path.is_file():
        return None
    moment = datetime.fromisoformat(path.read_text(encoding="ascii").strip())
    if moment.tzinfo is None:
        raise ValueError(f"{path}: expected a time with its zone, found {moment}")
    return moment.astimezone(UTC)


def _hours(span: timedelta) -> float:
    return round(span / timedelta(hours=1), 2)


def _read_sources(settings: Settings, *, asof: datetime) -> list[dict[str, Any]]:
    """Age of the newest datum of every source that a night counts on.

    A source is late where its last night found it so: between two nights nothing is asked for.
    """
    since_night = timedelta(hours=settings.dead_man_hours)
    url = sa.engine.make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise FileNotFoundError("expected the tables, found none")  # opening them would make them
    last = Records(settings.database).last_files(asof=asof)
    rows = []
    for name in select_sources(settings.upstream):
        source, latest = SOURCES[name], last.get(name)
        usual = source.latency + source.cadence
        age = None if latest is None else asof - latest
        rows.append(
            {
                "source": name,
                "latest": latest and format_utc(latest),
                "age_hours": None if age is None else _hours(age),
                "usual_hours": _hours(usual),
                "late": None if age is None else age > usual + source.latency / 4 + since_night,
            }
        )
    return rows


def _read_disk(settings: Settings) -> dict[str, int]:
    """Room on the disk of the data folder, bytes."""
    usage = shutil.disk_usage(settings.region_dir)
    return {"free_bytes": usage.free, "total_bytes": usage.total}


def _count_tiers(tree: Inspection) -> dict[str, int]:
    """Count the cities with a gauge by the tier of their river forecast.

    Raises
    ------
    LookupError
        The alerts of the tree cannot be read.
    """
    if not tree.alerts:
        raise LookupError("expected alerts, found none")
    tiers = Counter(
        row["tier"] or "none" for row in tree.alerts if row["hazard"] == "flood" and row["station"]
    )
    return dict(sorted(tiers.items()))


def _count_levels(tree: Inspection) -> dict[str, dict[str, int]]:
    """Read the number of cities by hazard and level, as the tree counts them."""
    return {
        hazard: {level: int(number) for level, number in counts.items()}
        for hazard, counts in tree.index["levels"].items()
    }


def _list_to_do(book: NoticeBook, tree: Inspection) -> list[dict[str, Any]]:
    """List what a person should do: open notices, and findings that are none yet."""
    rows = [
        {
            "id": notice.identifier,
            "urgency": notice.urgency,
            "what": notice.subject,
            "do": notice.entry.action,
            "run_book": notice.entry.link,
            "since": format_utc(notice.first),
            "told": notice.told and format_utc(notice.told),
            "times": notice.times,
        }
        for notice in book.list_open()
    ]
    known = {
        notice.fault
        for notice in book.notices
        if notice.acknowledged is None or notice.issue_time == tree.issue_time
    }
    rows += [
        {
            "id": None,
            "urgency": finding.urgency,
            "what": finding.entry.meaning,
            "do": finding.entry.action,
            "run_book": finding.entry.link,
            "since": None,
            "told": None,
            "times": 1,
        }
        for finding in tree.findings
        if finding.code not in known
    ]
    return sorted(rows, key=lambda row: row["urgency"] != "wake")


def _list_versions(tree: Inspection) -> dict[str, str | None]:
    """Versions of what runs and of what is published."""

    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    return {
        "pipeline": installed("mekong-early-warning"),
        "python": platform.python_version(),
        "airflow": installed("apache-airflow-core"),
        "published": tree.version,
        **{name: str(tree.index[name]) for name in _NAMED if tree.index.get(name)},
    }


def _judge(health: dict[str, Any], last_good: datetime | None, book: NoticeBook) -> str:
    """Judge the whole: what is not known is never fine."""
    urgent = [row for row in health["to_do"] if row["id"] is None and row["urgency"] == "wake"]
    urgent += [
        notice
        for notice in book.list_open()
        if notice.urgency == "wake" and not _is_over(notice.issue_time, last_good)
    ]
    if urgent or health["dead_man"]["over"]:
        return "failing"
    late = [row for row in health["sources"] or () if row["late"] is not False]
    if health["not_known"]:
        return "unknown"
    return "degraded" if late or health["to_do"] else "fine"


def _is_over(issue_time: datetime | None, last_good: datetime | None) -> bool:
    """Whether a good night has come since the run of a notice."""
    return issue_time is not None and last_good is not None and issue_time < last_good


def _summarise(health: dict[str, Any]) -> str:
    """Say the state in a sentence."""
    night = health["last_good_night"]
    last = (
        f"the last good night is that of {night['issue_time']}, {night['age_hours']:g} h ago"
        if night
        else "no good night is known"
    )
    wake = sum(row["urgency"] == "wake" for row in health["to_do"])
    rest = len(health["to_do"]) - wake
    return (
        f"{health['state'].capitalize()}: {last}; {'' if knows_to_do(health) else 'at least '}"
        f"{wake} to do now, {rest} to do tomorrow, "
        f"{len(health['not_known'])} not known."
    )
