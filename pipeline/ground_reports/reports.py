"""Reports in the tables: added once each, never altered, read as they were known at a moment."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from pipeline.ground_reports.coded_text import Observation
from pipeline.storage.atomic import OWNER_ONLY_FILE, draft_file, make_passable_folder
from pipeline.storage.database import Database, ground_reports, ingests

Channel = Literal["text", "csv", "command"]
SOURCE = "ground_reports"
"""Name of the ingests of reports."""
KEY_FILE = "sender.key"
"""File of the key of the pseudonyms, in the data folder."""


@dataclass(frozen=True)
class GroundReport:
    """One report from the ground.

    Parameters
    ----------
    sender
        Pseudonym of :func:`pseudonym`.
    city
        Id of the city.
    observation
        ``flooded`` or ``dry``, at the place where the sender stood.
    depth_cm
        Depth of the water as given; None where none was.
    valid_time, received_at
        When it was seen and when it came, UTC.
    channel
        ``text``: a coded text; ``csv``: a row with columns of its own; ``command``: typed by an
        operator.
    text
        As it was given.
    doubt
        Why it is not counted until it is confirmed; empty where it is counted.
    """

    sender: str
    city: str
    observation: Observation
    depth_cm: int | None
    valid_time: datetime
    received_at: datetime
    channel: Channel
    text: str
    doubt: str = ""


class GroundReports:
    """Reports in the tables, as they are now or as they were after a batch.

    Parameters
    ----------
    database
        Tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, reports: Iterable[GroundReport], *, asof: datetime) -> int:
        """Add the reports that are new, as one ingest; without a new one nothing is written.

        A report is known where the one of the same sender, city, valid time and observation that
        stood when it came says as much: has the same depth, and no doubt that the new one has not.
        A report without a depth changes none. Another depth is a correction and is added.

        Parameters
        ----------
        reports
            In any order; the first of equal ones is stored.
        asof
            Moment of the ingest.

        Returns
        -------
        int
            Number of reports added.
        """
        with self._database.writing() as connection:
            _allow_corrections(connection)
            stored: dict[_Key, list[GroundReport]] = {}
            for row in connection.execute(_SELECT.order_by(ground_reports.c.number)).mappings():
                report = GroundReport(**row)
                stored.setdefault(_key(report), []).append(report)
            new = []
            for report in sorted(reports, key=lambda new: (new.doubt != "", new.received_at)):
                of_key = stored.setdefault(_key(report), [])
                if not _is_known(report, of_key):
                    of_key.append(report)
                    new.append(asdict(report))
            if new:
                batch = connection.scalar(
                    ingests.insert().values(source=SOURCE, asof=asof).returning(ingests.c.batch)
                )
                connection.execute(
                    ground_reports.insert(), [{**row, "batch": batch} for row in new]
                )
        return len(new)

    def read(
        self, *, asof: datetime, start: datetime | None = None, city: str | None = None
    ) -> list[GroundReport]:
        """Read the reports that had been received by a moment, by valid time.

        Of one sender, city, valid time and observation there is one report: the last received with
        a depth, else the last; one in doubt only where none without a doubt has come.

        Parameters
        ----------
        asof
            Only reports received at or before this moment, in a batch that the tables see.
        start
            Earliest valid time; default all.
        city
            Id of a city; default all.
        """
        query = _SELECT.where(
            ground_reports.c.received_at <= asof,
            ground_reports.c.batch <= self._database.batch,
        ).order_by(ground_reports.c.valid_time, ground_reports.c.number)
        if start is not None:
            query = query.where(ground_reports.c.valid_time >= start)
        if city is not None:
            query = query.where(ground_reports.c.city == city)
        with self._database.engine.connect() as connection:
            reports = [GroundReport(**row) for row in connection.execute(query).mappings()]
        standing = {_key(report): report for report in sorted(reports, key=_rank)}
        return [report for report in reports if standing[_key(report)] is report]


_Key = tuple[str, str, datetime, str]
_SELECT = sa.select(*(ground_reports.c[field.name] for field in fields(GroundReport)))


def _key(report: GroundReport) -> _Key:
    return report.sender, report.city, report.valid_time, report.observation


def _rank(report: GroundReport) -> tuple[bool, bool, datetime]:
    """Order of the reports of one key: the last of them stands."""
    return not report.doubt, report.depth_cm is not None, report.received_at


def _is_known(report: GroundReport, stored: Sequence[GroundReport]) -> bool:
    """Return whether reports of the same key, in the order of their storing, say as much."""
    for doubt in {"", report.doubt}:
        others = sorted((other for other in stored if other.doubt == doubt), key=_rank)
        # Rows of one file may have one stamp: the same file again must add nothing.
        stamps = {(other.received_at, other.depth_cm, other.doubt) for other in others}
        if (report.received_at, report.depth_cm, report.doubt) in stamps:
            return True
        before = [other for other in others if other.received_at <= report.received_at]
        other = before[-1] if before else next(iter(others), None)
        if other and report.depth_cm in {None, other.depth_cm}:
            return True
    return False


def _allow_corrections(connection: sa.Connection) -> None:
    """Make the table anew where its rule keeps out a second depth, as earlier versions made it."""
    (rule,) = (c for c in ground_reports.constraints if isinstance(c, sa.UniqueConstraint))
    rules = sa.inspect(connection).get_unique_constraints(ground_reports.name)
    if {*rule.columns.keys()} in [{*stored["column_names"]} for stored in rules]:
        return
    columns = [column for column in ground_reports.c if not column.primary_key]
    rows = (
        connection.execute(sa.select(*columns).order_by(ground_reports.c.number)).mappings().all()
    )
    ground_reports.drop(connection)
    ground_reports.create(connection)
    if rows:
        connection.execute(ground_reports.insert(), [dict(row) for row in rows])


def pseudonym(sender: str, *, key: bytes) -> str:
    """Return the pseudonym of a sender: HMAC-SHA-256 of the number or name, 32 hex digits.

    A telephone number is personal data, and a hash without a key hides none: all numbers of a
    country can be tried in minutes. Blanks, signs between digits and capitals do not count.

    Examples
    --------
    >>> pseudonym("+855 12-345 678", key=b"k") == pseudonym("0085512345678", key=b"k")
    True
    """
    plain = " ".join(sender.split()).casefold()
    if re.fullmatch(r"[+(]?[0-9][0-9 ()./-]*", plain):
        plain = re.sub(r"[^0-9+]", "", plain)
        plain = f"+{plain[2:]}" if plain.startswith("00") else plain
    return hmac.new(key, plain.encode(), hashlib.sha256).hexdigest()[:32]


def read_key(folder: Path) -> bytes:
    """Read the key of the pseudonyms, which the first call makes, for its owner alone.

    Parameters
    ----------
    folder
        Data folder. Without its file ``sender.key`` no pseudonym leads back to a number, and
        reports of one sender from before and after do not know each other.
    """
    path = folder / KEY_FILE
    if not path.exists():
        make_passable_folder(folder)
        with draft_file(path, overwrite=False) as draft:
            draft.touch(mode=OWNER_ONLY_FILE)
            draft.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()
