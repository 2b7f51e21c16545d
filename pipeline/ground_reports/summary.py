"""What was reported from each city since its morning, for pages and ``reports.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pipeline.geography.places import City
from pipeline.ground_reports.reports import GroundReport
from pipeline.times import format_utc

SCHEMA_VERSION = 1
NOTE = (
    "What people reported, not measured and not checked. A city without reports is not known to "
    "be dry."
)


@dataclass(frozen=True)
class CitySummary:
    """Reports from one city since 00:00 on its clock.

    Parameters
    ----------
    flooded, dry
        Number of reports of each, without those in doubt.
    senders
        Number of phones or people that sent them.
    in_doubt
        Number of reports that are not confirmed and not counted above.
    deepest_cm
        Deepest water reported; None where no depth was given. One mistyped depth shows here.
    last_time
        Latest valid time of the counted reports, UTC; None where all are in doubt.
    since
        00:00 on the city's clock, UTC.
    """

    flooded: int
    dry: int
    senders: int
    in_doubt: int
    deepest_cm: int | None
    last_time: datetime | None
    since: datetime


def morning(city: City, asof: datetime) -> datetime:
    """Return 00:00 of the day of a moment on a city's clock.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pipeline.geography.places import cities
    >>> print(morning(cities()["mandalay"], datetime(2026, 8, 20, 18, 0, tzinfo=UTC)))
    2026-08-21 00:00:00+06:30
    """
    local = asof.astimezone(timezone(timedelta(hours=city.utc_offset_h)))
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def summarise(
    reports: Iterable[GroundReport], *, asof: datetime, cities: Mapping[str, City]
) -> dict[str, CitySummary]:
    """Count the reports of each city since its morning.

    Parameters
    ----------
    reports
        As read as of the moment.
    asof
        The moment; the morning is that of its day on each city's clock.
    cities
        Cities by id; reports from others are left out.

    Returns
    -------
    dict
        By id of the city, in the order of ``cities``. A city without a report since its morning is
        not in it: nobody reported, which says nothing of the ground.
    """
    of_city: dict[str, list[GroundReport]] = {name: [] for name in cities}
    for report in reports:
        if report.city in cities and report.valid_time >= morning(cities[report.city], asof):
            of_city[report.city].append(report)
    summaries = {}
    for name, of_day in of_city.items():
        if not of_day:
            continue
        counted = [report for report in of_day if not report.doubt]
        depths = [report.depth_cm for report in counted if report.depth_cm is not None]
        flooded = sum(report.observation == "flooded" for report in counted)
        summaries[name] = CitySummary(
            flooded=flooded,
            dry=len(counted) - flooded,
            senders=len({report.sender for report in counted}),
            in_doubt=len(of_day) - len(counted),
            deepest_cm=max(depths, default=None),
            last_time=max((report.valid_time for report in counted), default=None),
            since=morning(cities[name], asof),
        )
    return summaries


def describe_summary(summary: CitySummary) -> str:
    """Say in one line of English what was reported since the morning.

    Examples
    --------
    >>> from datetime import UTC
    >>> since = datetime(2026, 8, 19, 17, tzinfo=UTC)
    >>> describe_summary(CitySummary(11, 1, 9, 0, 60, since, since))
    '12 reports since morning: 11 flooded, up to 60 cm, 1 dry; from 9 senders'
    """
    count = summary.flooded + summary.dry
    if not count:
        plural = "s" if summary.in_doubt > 1 else ""
        return f"{summary.in_doubt} report{plural} since morning, not confirmed"
    depth = f", up to {summary.deepest_cm} cm" if summary.deepest_cm is not None else ""
    parts = [f"{summary.flooded} flooded{depth}"] if summary.flooded else []
    parts += [f"{summary.dry} dry"] if summary.dry else []
    senders = f"{summary.senders} sender{'s' if summary.senders > 1 else ''}"
    reports = f"{count} report{'s' if count > 1 else ''} since morning"
    return f"{reports}: {', '.join(parts)}; from {senders}"


def write_reports(summaries: Mapping[str, CitySummary], *, asof: datetime, status: str) -> bytes:
    """Write ``reports.json``: the summaries of a moment, with the status of the tree.

    Parameters
    ----------
    summaries
        From :func:`summarise`.
    asof
        Moment that they speak of.
    status
        CAP status of the tree: ``Exercise``, ``Test`` or ``Actual``.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "asof": format_utc(asof),
        "status": status,
        "note": NOTE,
        "cities": {
            name: {
                "flooded": summary.flooded,
                "dry": summary.dry,
                "senders": summary.senders,
                "in_doubt": summary.in_doubt,
                "deepest_cm": summary.deepest_cm,
                "last_time": format_utc(summary.last_time) if summary.last_time else None,
                "since": format_utc(summary.since),
                "text": describe_summary(summary),
            }
            for name, summary in summaries.items()
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"
