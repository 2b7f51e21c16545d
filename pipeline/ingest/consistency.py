"""Checks, before a step, that archive and database can be read and belong to each other."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from pipeline.geography import reference_tables
from pipeline.settings import Settings
from pipeline.sources import SOURCES
from pipeline.storage.archive import Archive
from pipeline.storage.atomic import BrokenState
from pipeline.storage.database import Database
from pipeline.storage.records import Records


def check_stores(settings: Settings) -> None:
    """Raise unless archive and database exist and belong to each other.

    The reference tables are read first: what reads a file would take their faults for the file's.

    Raises
    ------
    BadReference
        The reference tables have faults.
    BrokenState
        One of them is damaged, gone, or older than the other; the message says what to do.
    """
    reference_tables.tables()
    has_archive = settings.archive_dir.exists()  # opening an archive creates one
    products = set(Archive(settings.archive_dir).products()) if has_archive else set[str]()
    records = Records(settings.database)
    gridded_sources = {source.id for source in SOURCES.values() if source.kind != "readings"}
    state = "others" if products else "an empty archive" if has_archive else "none"
    absent = records.sources_read() & gridded_sources - products
    if absent:
        raise BrokenState(
            f"{settings.archive_dir}: expected the grids of {', '.join(sorted(absent))} that "
            f"{_hide_password(settings.database)} names, found {state}; put back a backup of the "
            "archive, or move both away and ingest again"
        )
    if "rain_shares" in products and not records.database.batch:
        raise BrokenState(
            f"{_hide_password(settings.database)}: expected what was ingested into "
            f"{settings.archive_dir}, found empty tables; put back a backup of them, or move the "
            "archive away and ingest again"
        )


def check_whole(settings: Settings) -> None:
    """Raise unless all stored tables can be read; without stored data nothing is checked.

    Raises
    ------
    BrokenState
        As of :func:`check_stores`, or a part of the tables is damaged.
    """
    file = Path(sa.engine.make_url(settings.database).database or "")
    if settings.archive_dir.exists() or settings.records_url or file.exists():
        Database(settings.database).check_whole()
        check_stores(settings)


def _hide_password(url: str) -> str:
    return sa.engine.make_url(url).render_as_string(hide_password=True)
