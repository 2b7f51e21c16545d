"""The commands ``mekong status``, ``mekong acknowledge`` and ``mekong remind``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline.command_options import Day, issue_time, read_settings

if TYPE_CHECKING:
    from pipeline.settings import Settings


def status(day: Day = None) -> None:
    """Show the last alerts and whether nights run. Example: mekong status --date 2026-04-10."""
    from pipeline import console
    from pipeline.ingest.consistency import check_whole

    settings = read_settings()
    night = settings.published_dir / f"{issue_time(day):%Y%m%dT%H%MZ}"
    nights = night.parent.glob(f"{night.name[:9]}*/index.json")  # of a night that waited for rain
    folder = max((index.parent for index in nights), default=None)
    if folder is not None:
        console.print_night(folder)  # published alerts are shown even where a store is damaged
    if day is None and settings.region_dir.is_dir():
        _print_health(settings, asof=_find_now(settings))
    check_whole(settings)
    if folder is None:
        console.print_night(night)


def acknowledge(
    identifiers: Annotated[
        list[str], typer.Argument(help="Identifiers of notices, or 'all'; see mekong status.")
    ],
) -> None:
    """Take over what was told, so that it is told no more. Example: mekong acknowledge all."""
    from pipeline import console
    from pipeline.supervision.notices import acknowledge as take_over

    settings = read_settings()
    taken = take_over(identifiers, asof=datetime.now(UTC).replace(microsecond=0), settings=settings)
    for notice in taken:
        console.print_line(f"{notice.identifier}: {notice.subject}")
    console.print_line(f"{len(taken)} notices acknowledged")


def remind(
    *,
    failed: Annotated[
        Literal["nightly", "watch", "backup"] | None,
        typer.Option(help="Tell that this has failed; without it, tell again what is open."),
    ] = None,
) -> None:
    """Tell again what is open, and that no night came: hourly. Example: mekong remind."""
    import sys

    from pipeline import console
    from pipeline.supervision.notices import remind as tell_again
    from pipeline.supervision.notices import tell

    settings = read_settings()
    asof = _find_now(settings)
    if failed is None:
        told = tell_again(asof=asof, settings=settings)
    else:
        told = tell(
            dag=f"mekong_{failed}", task=None, issue_time=None, kind="failed", asof=asof,
            settings=settings,
        )  # fmt: skip
    console.print_line(f"told {len(told.notices)} notices by {', '.join(told.taken) or 'nothing'}")
    for failure in told.failures:
        print(f"mekong: {failure}", file=sys.stderr)
    if told.failures:
        raise typer.Exit(1)


def _find_now(settings: Settings) -> datetime:
    """Find the moment of the state: now; in the virtual basin the newest night, if that is past."""
    from pipeline.supervision.inspection import read_issue_time

    now = datetime.now(UTC).replace(microsecond=0)
    issued = read_issue_time(settings.published_dir) if settings.upstream == "virtual" else None
    return now if issued is None else min(now, issued)


def _print_health(settings: Settings, *, asof: datetime) -> None:
    """Print whether nights run: the state, what to do, the sources, the disk."""
    from pipeline import console
    from pipeline.storage.atomic import BrokenState
    from pipeline.supervision.health import observe_health
    from pipeline.supervision.notice_book import read_book

    health = observe_health(settings, asof=asof)
    try:
        causes = {notice.identifier: notice.cause for notice in read_book(settings).notices}
    except (BrokenState, OSError):  # named among what is not known
        causes = {}
    print_line = console.print_line
    print_line(f"As of {health['asof']}. {health['summary']}")
    for row in health["to_do"]:
        print_line(f"[{row['urgency']}] {row['id'] or 'found now'}: {row['what']}. {row['do']}")
        if cause := causes.get(row["id"]):
            print_line(f"    {cause}")
        print_line(f"    {row['run_book']}")
    for line in _describe_parts(health):
        print_line(line)


def _describe_parts(health: dict[str, Any]) -> list[str]:
    """Lines of the sources, tiers, disk, who is told and what is not known."""
    lines = []
    if due_by := health["dead_man"]["due_by"]:
        is_due = "was due" if health["dead_man"]["over"] else "is due"
        lines.append(f"The next good night {is_due} by {due_by}.")
    if health["sources"] is not None:
        ages = [
            f"{row['source']} "
            + ("never" if row["age_hours"] is None else f"{row['age_hours']:g} h")
            + " (late)" * bool(row["late"])
            for row in health["sources"]
        ]
        lines.append(f"Age of the data: {', '.join(ages)}.")
    if health["tiers"] is not None:
        tiers = ", ".join(f"{number} {tier}" for tier, number in health["tiers"].items())
        lines.append(f"River forecasts by tier: {tiers}.")
    if health["disk"] is not None:
        lines.append(f"Disk: {health['disk']['free_bytes'] / 1e9:.1f} GB left.")
    lines.append(
        f"Notices go to {' and '.join(health['channels'])}."
        if health["channels"]
        else "Nobody is told: neither MEKONG_NOTICE_WEBHOOK nor MEKONG_NOTICE_MAIL_TO is set."
    )
    lines += [f"Not known: {text}." for text in health["not_known"]]
    return lines
