"""Databases of before there were revisions, as text of SQLite, with a row in each table."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

TABLES = """
CREATE TABLE ingests (batch INTEGER NOT NULL, source TEXT NOT NULL, asof BIGINT NOT NULL,
    stored_at DATETIME DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (batch));
CREATE TABLE granules (source TEXT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL,
    start BIGINT NOT NULL, "end" BIGINT NOT NULL, available_time BIGINT NOT NULL, rejected TEXT,
    origin TEXT NOT NULL, batch INTEGER NOT NULL, notes JSON, PRIMARY KEY (source, name, sha256),
    FOREIGN KEY(batch) REFERENCES ingests (batch));
CREATE TABLE readings (variable TEXT NOT NULL, station TEXT NOT NULL, method TEXT NOT NULL,
    valid_time BIGINT NOT NULL, version INTEGER NOT NULL, value FLOAT, unit TEXT NOT NULL,
    raw TEXT NOT NULL, qc TEXT NOT NULL, source TEXT NOT NULL, origin TEXT NOT NULL,
    available_time BIGINT NOT NULL, batch INTEGER NOT NULL,
    PRIMARY KEY (variable, station, method, valid_time, version),
    FOREIGN KEY(batch) REFERENCES ingests (batch)) WITHOUT ROWID;
CREATE TABLE runs (issue_time BIGINT NOT NULL, revision INTEGER NOT NULL,
    inputs_digest TEXT NOT NULL, snapshot TEXT NOT NULL, batch INTEGER NOT NULL,
    model_version TEXT NOT NULL, origin TEXT NOT NULL, settings JSON NOT NULL, follows JSON,
    rules JSON, code TEXT, sent BIGINT, late BOOLEAN, PRIMARY KEY (issue_time, revision));
CREATE TABLE stage_forecasts (issue_time BIGINT NOT NULL, revision INTEGER NOT NULL,
    station TEXT NOT NULL, lead_days INTEGER NOT NULL, valid_time BIGINT NOT NULL,
    tier TEXT NOT NULL, "row" JSON NOT NULL,
    PRIMARY KEY (issue_time, revision, station, lead_days));
CREATE TABLE drought_forecasts (issue_time BIGINT NOT NULL, revision INTEGER NOT NULL,
    zone TEXT NOT NULL, horizon_weeks INTEGER NOT NULL, tier TEXT NOT NULL, "row" JSON NOT NULL,
    PRIMARY KEY (issue_time, revision, zone, horizon_weeks));
CREATE TABLE alerts (issue_time BIGINT NOT NULL, revision INTEGER NOT NULL, city TEXT NOT NULL,
    hazard TEXT NOT NULL, level TEXT NOT NULL, identifier TEXT, sha256 TEXT, memory JSON NOT NULL,
    PRIMARY KEY (issue_time, revision, city, hazard), UNIQUE (identifier));
CREATE TABLE messages (identifier TEXT NOT NULL, issue_time BIGINT NOT NULL,
    revision INTEGER NOT NULL, city TEXT NOT NULL, hazard TEXT NOT NULL, change TEXT NOT NULL,
    sent BIGINT NOT NULL, expires BIGINT NOT NULL, content BLOB NOT NULL, proof BLOB NOT NULL,
    PRIMARY KEY (identifier));
CREATE INDEX messages_issue_time ON messages (issue_time);
CREATE TABLE cancellations (issue_time BIGINT NOT NULL, revision INTEGER NOT NULL,
    city TEXT NOT NULL, hazard TEXT NOT NULL, identifier TEXT NOT NULL, messages JSON NOT NULL,
    sent BIGINT NOT NULL, reason TEXT NOT NULL, revisions JSON, content TEXT NOT NULL,
    PRIMARY KEY (issue_time, revision, city, hazard), UNIQUE (identifier));
CREATE TABLE scores (issue_time BIGINT NOT NULL, revision INTEGER NOT NULL,
    station TEXT NOT NULL, lead_days INTEGER NOT NULL, observed_m FLOAT NOT NULL,
    error_m FLOAT NOT NULL, persistence_error_m FLOAT, inside_80 BOOLEAN NOT NULL,
    PRIMARY KEY (issue_time, revision, station, lead_days));
CREATE TABLE ground_reports (number INTEGER NOT NULL, sender TEXT NOT NULL, city TEXT NOT NULL,
    valid_time BIGINT NOT NULL, observation TEXT NOT NULL, doubt TEXT NOT NULL, depth_cm INTEGER,
    received_at BIGINT NOT NULL, channel TEXT NOT NULL, text TEXT NOT NULL,
    batch INTEGER NOT NULL, PRIMARY KEY (number),
    UNIQUE (sender, city, valid_time, observation, doubt),
    FOREIGN KEY(batch) REFERENCES ingests (batch));
"""
"""Tables as a night of November 2026 left them."""
ROWS = """
INSERT INTO ingests VALUES (7, 'gauges', 1787185800, '2026-08-20 00:40:00');
INSERT INTO granules VALUES ('gk2a', 'a.nc', 'f0', 1787180400, 1787181000, 1787181720, NULL,
    'virtual', 7, '{"said": ["fine"]}');
INSERT INTO readings VALUES ('stage', '013901', 'manual', 1787184000, 0, 9.8, 'm', '980', 'good',
    'gauges', 'virtual', 1787185200, 7);
INSERT INTO runs VALUES (1787185800, 0, 'd1', 'SNAP', 7, 'm1', 'virtual',
    '{"alert_status": "Test"}', '["2026-08-19T00:30:00+00:00", 0]', '{}', 'c1', 1787185800, FALSE);
INSERT INTO stage_forecasts VALUES (1787185800, 0, '013901', 1, 1787270400, 'full',
    '{"q50": 10.25}');
INSERT INTO drought_forecasts VALUES (1787185800, 0, 'city:pakse', 4, 'full', '{"p": 0.5}');
INSERT INTO alerts VALUES (1787185800, 0, 'pakse', 'flood', 'watch', 'mekong-1', 'ab',
    '{"level": "watch"}');
INSERT INTO messages VALUES ('mekong-1', 1787185800, 0, 'pakse', 'flood', 'new', 1787185800,
    1787380200, x'789c4b040000620062', x'789c4b020000630063');
INSERT INTO cancellations VALUES (1787185800, 0, 'pakse', 'flood', 'mekong-1-cancel',
    '["mekong-1"]', 1787189400, 'another datum', NULL, '<alert/>');
INSERT INTO scores VALUES (1787185800, 0, '013901', 1, 9.8, 0.1, NULL, TRUE);
INSERT INTO ground_reports VALUES (3, 's1', 'pakse', 1787184000, 'flooded', '', 40, 1787184060,
    'text', 'PKS F40', 7);
"""

_NUMBERED = {"ingests": "batch", "ground_reports": "number"}
"""Columns that number the rows of a table."""
_ON_POSTGRESQL = {
    r" WITHOUT ROWID": "",
    r"\bDATETIME\b": "TIMESTAMP",
    r"\bBLOB\b": "BYTEA",
    r"x'([0-9a-f]+)'": r"'\\x\1'",
    r"\b(batch|number) INTEGER NOT NULL(?=.*PRIMARY KEY \(\1\))": r"\1 SERIAL",
}
"""Words of SQLite and what PostgreSQL says."""
LATER = {"mekong_schema", "cuts", "raises", "watched"}
"""Tables and columns of revisions."""


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Execute statements of SQLite beside the program; return the rows of the last one."""
    engine = sa.create_engine(f"sqlite:///{path}")
    rows = list[tuple[object, ...]]()
    with engine.begin() as connection:
        for statement in statements:
            done = connection.exec_driver_sql(_translate(statement, engine.dialect.name))
            rows = [tuple(row) for row in done] if done.returns_rows else []
    engine.dispose()
    return rows


def _translate(statement: str, dialect: str) -> str:
    for ours, theirs in _ON_POSTGRESQL.items() if dialect == "postgresql" else ():
        statement = re.sub(ours, theirs, statement, flags=re.DOTALL)
    return statement


def describe(path: Path) -> dict[str, tuple[dict[str, bool], set[tuple[str, ...]]]]:
    """Return columns, and whether each may be NULL, and unique constraints of each table."""
    engine = sa.create_engine(f"sqlite:///{path}")
    inspector = sa.inspect(engine)
    found = {
        name: (
            {column["name"]: column["nullable"] for column in inspector.get_columns(name)},
            {tuple(of["column_names"]) for of in inspector.get_unique_constraints(name)},
        )
        for name in inspector.get_table_names()
    }
    engine.dispose()
    return found


def make_old(path: Path, *changes: str) -> str:
    """Make a database of these tables and rows, changed by statements; return its URL."""
    url = f"sqlite:///{path}"
    statements = [text for text in (TABLES + ROWS).split(";\n") if text.strip()]
    if sa.create_engine(url).dialect.name == "postgresql":  # where rows above have not counted
        statements += [
            f"SELECT setval(pg_get_serial_sequence('{table}', '{number}'), MAX({number}))"  # noqa: S608
            f" FROM {table}"
            for table, number in _NUMBERED.items()
        ]
    execute(path, *statements, *changes)
    return url


def dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Read all rows by table, but what revisions added."""
    rows = {}
    for name, (columns, _) in describe(path).items():
        if name not in LATER:
            kept = ", ".join(f'"{column}"' for column in columns if column not in LATER)
            rows[name] = execute(path, f"SELECT {kept} FROM {name} ORDER BY 1, 2, 3")  # noqa: S608
    return rows
