"""Steps that take reports from the ground: a coded text, an operator's own, files of a drop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipeline.geography import places
from pipeline.ground_reports.city_codes import cities_by_number
from pipeline.ground_reports.coded_text import Observation, describe_report, parse_text
from pipeline.ground_reports.drop import BadRow, read_drop, report_of_facts, report_of_text
from pipeline.ground_reports.reports import GroundReport, GroundReports, pseudonym, read_key
from pipeline.ingest.consistency import check_stores
from pipeline.settings import Settings
from pipeline.storage.database import Database


@dataclass(frozen=True)
class Intake:
    """What a step took.

    Parameters
    ----------
    read, added
        Number of reports that were read, and of those that were not stored before.
    in_doubt
        Number of those read that do not count until they are confirmed.
    bad
        Rows that are no reports.
    answer
        Line to send back to the phone; empty where no single text was read.
    """

    read: int
    added: int
    in_doubt: int = 0
    bad: tuple[BadRow, ...] = ()
    answer: str = ""


def add_text(text: str, *, sender: str, asof: datetime, settings: Settings | None = None) -> Intake:
    """Read a coded text that came at a moment, and store it.

    The answer to one that says no more than a report that is counted already names that report.

    Parameters
    ----------
    text, sender
        The text as it came, and the telephone number or name that it came from.
    asof
        When it came.
    settings
        Default: from the environment.

    Raises
    ------
    UnreadText
        It can be read in no way or in several.
    """
    settings = settings or Settings()
    cities = cities_by_number(settings.region)
    coded = parse_text(text, received_at=asof, cities=cities)
    sender = pseudonym(sender, key=read_key(settings.data_dir))
    report = report_of_text(coded, text, sender=sender, received_at=asof)
    intake = _store([report], settings, asof=asof)
    if not intake.added and (counted := _find_counted(report, settings)):
        read = describe_report(
            coded.city, counted.observation, counted.depth_cm, counted.valid_time
        )
        return replace(intake, in_doubt=0, answer=f"Counted already: {read}")
    return replace(intake, answer=coded.answer)


def add_observation(
    city: str,
    observation: Observation,
    *,
    at: datetime,
    depth_cm: int | None = None,
    sender: str,
    asof: datetime,
    settings: Settings | None = None,
) -> Intake:
    """Store what an operator reports of a city.

    Parameters
    ----------
    city
        Id of the city.
    observation, depth_cm
        Whether it was flooded or dry, and how deep.
    at
        When it was seen.
    sender, asof, settings
        Who reports it, and as of :func:`add_text`.

    Raises
    ------
    LookupError
        There is no such city.
    ValueError
        One of the others cannot be; the message says what was expected.
    """
    settings = settings or Settings()
    report = report_of_facts(
        places.city(city),
        observation,
        "" if depth_cm is None else str(depth_cm),
        at,
        sender=pseudonym(sender, key=read_key(settings.data_dir)),
        received_at=asof,
    )
    return _store([replace(report, channel="command")], settings, asof=asof)


def add_drop(path: Path, *, asof: datetime, settings: Settings | None = None) -> Intake:
    """Store the reports of a CSV file, or of all of a folder; files stay as they are.

    Parameters
    ----------
    path
        File, or folder of ``*.csv``, as of :func:`pipeline.ground_reports.drop.read_drop`.
    asof, settings
        As of :func:`add_text`. Of measured data no row can have been received later.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    settings = settings or Settings()
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise FileNotFoundError(f"expected a CSV file of reports, or a folder of them: {path}")
    key = read_key(settings.data_dir)
    cities = cities_by_number(settings.region)
    latest = None if settings.upstream == "virtual" else asof
    reports: list[GroundReport] = []
    bad: list[BadRow] = []
    for file in files:
        of_file, bad_rows = read_drop(file, cities=cities, key=key, latest=latest)
        reports += of_file
        bad += bad_rows
    return replace(_store(reports, settings, asof=asof), bad=tuple(bad))


def _store(reports: list[GroundReport], settings: Settings, *, asof: datetime) -> Intake:
    check_stores(settings)
    added = GroundReports(Database(settings.database)).add(reports, asof=asof)
    in_doubt = sum(bool(report.doubt) for report in reports)
    return Intake(read=len(reports), added=added, in_doubt=in_doubt)


def _find_counted(report: GroundReport, settings: Settings) -> GroundReport | None:
    """Find the counted report of the same sender, city, valid time and observation."""
    stored = GroundReports(Database(settings.database)).read(
        asof=report.received_at, start=report.valid_time, city=report.city
    )
    for other in stored:
        same = replace(
            report, depth_cm=other.depth_cm, received_at=other.received_at, channel=other.channel,
            text=other.text, doubt="",
        )  # fmt: skip
        if other == same:
            return other
    return None
