"""The command line: every verb with an example, and one line for a user's mistake."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.verification.hindcast_files import Hindcast
from pipeline import __main__ as cli
from pipeline import review, steps
from pipeline.geography import reference_tables
from pipeline.geography.grid import MEKONG
from pipeline.results import Published, Replayed
from pipeline.settings import ROOT, Settings
from pipeline.storage.archive import Archive
from pipeline.virtual.products import write_imerg_day
from tests.command_line import run

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)

VERBS = (
    "simulate", "ingest", "assess", "forecast", "publish", "verify", "train", "hindcast", "replay",
    "nightly", "status", "sources", "cities", "gauges", "explain", "export",
)  # fmt: skip


def test_help_shows_every_verb_with_an_example(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "--help") == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for verb in VERBS:
        assert f"Example: mekong {verb}" in text
    for group in (cli.NIGHT, cli.DATA, cli.SKILL):
        assert group in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], "No such command 'bogus'."),
        (
            ["status", "--date", "2026-13-01"],
            "expected a date like 2026-04-10, of 1900 to 2200, found '2026-13-01'",
        ),
        (["status", "--date", "2001-01-01"], "20010101T0030Z, found none"),
        (["ingest", "modis"], "expected a source of imerg_late"),
        (["ingest", "gauges", "--from", "nowhere"], "expected a folder of gauges files"),
        (["replay", "no-such-id"], "no message with the identifier 'no-such-id'"),
        (["publish", "--date", "2001-01-01"], "no forecast was made for 2001-01-01 00:30Z"),
        (["train"], "ingest gauges first"),
        (["train", "--regressor", "Rigde"], "found 'Rigde'; did you mean Ridge?"),
        (["forecast", "--date", "2001-01-01"], "run: mekong train --date 2001-01-01"),
        (["hindcast", "--start", "2019-06-01"], "Missing parameter: end"),
        (["nightly", "--date", "2035-01-01"], "2035"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert run(monkeypatch, tmp_path, *arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("mekong: ")
    assert message in line


PLAIN = "station,variable,time,value,unit\n013901,stage,2026-08-20T00:00Z,9.0,m\n"


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    """Stores of a night: some readings and some rain."""
    data, exports, grids = tmp_path / "data", tmp_path / "exports", tmp_path / "grids"
    exports.mkdir()
    (exports / "a.csv").write_text(PLAIN)
    settings = Settings(data_dir=data, upstream="archive", records_url=None)
    steps.ingest("gauges", asof=ASOF, settings=settings, folder=exports)
    rain = np.random.default_rng(1).gamma(1, 5, MEKONG.shape)
    path = write_imerg_day(
        grids, time=datetime(2026, 8, 17, tzinfo=UTC), rain=rain, grid=MEKONG,
        n_valid=np.full(MEKONG.shape, 48), published=ASOF,
    )  # fmt: skip
    steps.ingest("imerg_daily", asof=ASOF, settings=settings, folder=path.parent)
    assert Archive(settings.archive_dir).products() == ["imerg_daily"]
    return data


def empty(data: Path) -> None:
    for path in data.glob("records.db*"):
        path.unlink()
    (data / "records.db").touch()


def html(data: Path) -> None:
    empty(data)
    (data / "records.db").write_text("<html>")


def garbage(data: Path) -> None:
    with (data / "records.db").open("r+b") as stream:
        stream.seek(100)
        stream.write(b"\xa5" * 40_000)


def no_archive(data: Path) -> None:
    shutil.rmtree(data / "archive")


def no_refs(data: Path) -> None:
    shutil.rmtree(data / "archive" / "refs")


def no_snapshots(data: Path) -> None:
    shutil.rmtree(data / "archive" / "snapshots")


def no_chunks(data: Path) -> None:
    for path in (data / "archive" / "chunks").iterdir():
        path.unlink()


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (empty, "expected an SQLite database, found an empty file; put back a backup"),
        (html, "file is not a database; put back a backup"),
        (garbage, "put back a backup"),
        (no_archive, "expected the grids of imerg_daily that sqlite:///"),
        (no_refs, "the archive could not be read or written"),
        (no_snapshots, "the archive could not be read or written"),
        (no_chunks, "the archive could not be read or written"),
    ],
)
def test_a_broken_store_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stores: Path,
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    spoil(stores)
    command = ["assess", "--date", "2026-08-20"]
    assert run(monkeypatch, stores, *command, MEKONG_UPSTREAM="archive") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("mekong: ")
    assert message in line


@pytest.mark.slow
def test_an_archive_without_one_chunk_is_one_line_to_the_end_of_the_process(stores: Path) -> None:
    """The other reads still run when one fails: zarr and Icechunk print their ends at exit."""
    min((stores / "archive" / "chunks").iterdir()).unlink()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "assess", "--date", "2026-08-20"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"MEKONG_DATA_DIR": str(stores), "MEKONG_UPSTREAM": "archive"},
    )  # fmt: skip
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "not found" in line
    assert "put back a backup" in line


def test_an_archive_that_was_moved_away_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stores: Path
) -> None:
    """A backup is put back by a rename, which a new folder would be in the way of."""
    no_archive(stores)
    for command in ("forecast", "assess"):
        arguments = [command, "--date", "2026-08-20"]
        assert run(monkeypatch, stores, *arguments, MEKONG_UPSTREAM="archive") == 1
        assert "names, found none; put back a backup" in capsys.readouterr().err
        assert not (stores / "archive").exists()


def truncated(data: Path) -> None:
    with (data / "records.db").open("r+b") as stream:
        stream.truncate(stream.seek(0, os.SEEK_END) // 2)


def last_page(data: Path) -> None:
    with closing(sqlite3.connect(data / "records.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (data / "records.db").open("r+b") as stream:
        stream.seek(-4096, os.SEEK_END)
        stream.write(b"\xa5" * 4096)


@pytest.mark.sqlite
@pytest.mark.parametrize("spoil", [empty, html, garbage, truncated, last_page, no_archive])
@pytest.mark.parametrize("published", [False, True])
def test_status_tells_of_a_damaged_store_after_what_was_published(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stores: Path,
    spoil: Callable[[Path], None],
    published: bool,
) -> None:
    if published:
        night = Settings(data_dir=stores).published_dir / "20260820T0030Z"
        night.mkdir(parents=True)
        index = {"status": "Test", "issue_time": "", "missing": [], "model_version": "none",
                 "archive_snapshot": ""}  # fmt: skip
        (night / "index.json").write_text(json.dumps(index))
        (night / "alerts.csv").write_text("name,country,hazard,level\n")
    command = ["status", "--date", "2026-08-20"]
    archive = {"MEKONG_UPSTREAM": "archive"}
    assert run(monkeypatch, stores, *command, **archive) == (0 if published else 2)
    capsys.readouterr()
    spoil(stores)
    assert run(monkeypatch, stores, *command, **archive) == 1
    output = capsys.readouterr()
    [line] = output.err.splitlines()
    assert line.startswith("mekong: ")
    assert "put back a backup" in line
    assert ("Models none" in output.out) == published


def test_status_in_an_empty_folder_leaves_it_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(monkeypatch, tmp_path / "data", "status", "--date", "2026-08-20") == 2
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "make room"), (errno.EROFS, "for writing"), (errno.EDQUOT, "make room")],
)
def test_a_full_or_read_only_disk_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stores: Path,
    code: int,
    message: str,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), "somewhere")

    monkeypatch.setattr(steps, "assess", refuse)
    assert run(monkeypatch, stores, "assess") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert os.strerror(code) in line
    assert message in line


def test_nothing_that_came_in_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    command = ["ingest", "gauges", "--from", str(exports), "--date", "2026-08-20"]
    for content, code in (
        ("<html>", 1),
        (PLAIN.replace("2026-08", "2026-09"), 1),
        (PLAIN, 0),
    ):
        (exports / "a.csv").write_text(content)
        assert run(monkeypatch, tmp_path, *command) == code, content
        assert run(monkeypatch, tmp_path, *command) == code, f"again: {content}"
        output = capsys.readouterr().out
        assert ("nothing came in" in output) == (code == 1)
        assert ("1 known already, 1 of them rejected before" in output) == (content == "<html>")
    (exports / "b.csv").write_text("<html>")
    assert run(monkeypatch, tmp_path, *command) == 0, "one file of two came in"


def test_a_degraded_night_is_exit_code_4(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for reasons, code in (((), 0), (("imerg_late gave nothing",), 4)):
        done = Published("there", 0, 1, {"none": 80}, degraded=reasons)
        monkeypatch.setattr(steps, "publish", lambda done=done, **_: done)
        assert run(monkeypatch, tmp_path, "publish") == code
    output = capsys.readouterr()
    assert output.err == "degraded: imerg_late gave nothing\n"
    assert "degraded" not in output.out, "said once"


def test_a_replay_that_differs_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for difference, code in (("", 0), ("ID is not what was sent: changed since: en.toml", 3)):
        replayed = Replayed(b"<alert/>", difference)
        monkeypatch.setattr(review, "replay", lambda *_, done=replayed, **__: done)
        assert run(monkeypatch, tmp_path, "replay", "ID", "--to", str(tmp_path / "x.xml")) == code
        assert (tmp_path / "x.xml").read_bytes() == b"<alert/>"
    unsigned = "mekong: without keys it is made unsigned (MEKONG_SIGNING_KEYS)\n"
    assert capsys.readouterr().err == f"{unsigned}{unsigned}mekong: {difference}\n"


def test_a_hindcast_as_its_help_shows_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: dict[str, object] = {}

    def record(**options: object) -> Hindcast:
        arguments.update(options)
        return Hindcast("OUT", 0, "virtual", {}, {})

    monkeypatch.setattr(review, "hindcast", record)
    command = ["hindcast", "--start", "2019-06-01", "--end", "2020-10-31", "--out", "OUT"]
    assert run(monkeypatch, tmp_path, *command) == 0
    assert [str(arguments[name]) for name in ("start", "end", "train_from", "folder")] == [
        "2019-06-01", "2020-10-31", "1992-01-01", "OUT"
    ]  # fmt: skip
    assert arguments["leads"] == (1, 3, 5, 7)
    assert arguments.pop("against") is None
    assert run(monkeypatch, tmp_path, *command, "--against", "LinearRegression") == 0
    assert arguments["against"] == "LinearRegression"
    assert run(monkeypatch, tmp_path, *command, "--leads", "3,1,3") == 0
    assert str(arguments["leads"]) == "(1, 3)"
    assert run(monkeypatch, tmp_path, *command, "--leads", "1,x") == 2
    assert "expected whole days parted by commas, found '1,x'" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path, "hindcast", "--start", "2020-10-31", "--end", "2019-06-01",
               "--out", "OUT") == 2  # fmt: skip
    assert "--end: expected a date from 2020-10-31 on" in capsys.readouterr().err


def test_a_fault_of_the_program_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fault(**_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(steps, "assess", fault)
    with pytest.raises(KeyError, match="a bug"):
        run(monkeypatch, tmp_path, "assess")


def test_the_exit_codes_are_those_of_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\n## Exit codes\n(.*?)\n## ", page, re.DOTALL)
    rows = dict(re.findall(r"^\| (\d) \| ([\w ]+?) \|", table, re.MULTILINE))
    assert {int(code) for code in rows} == {
        0, cli.ERROR, cli.USAGE, cli.DIFFERS, cli.DEGRADED
    }  # fmt: skip
    assert run(monkeypatch, tmp_path, "--help") == 0
    help_text = " ".join(capsys.readouterr().out.split())
    assert ", ".join(f"{code} {words}" for code, words in rows.items()) in help_text


def test_status_finds_the_night_that_waited(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = {"status": "Actual", "missing": [], "model_version": "m", "archive_snapshot": "s"}
    for issued in ("20260409T0230Z", "20260410T0030Z", "20260410T0140Z"):
        folder = Settings(data_dir=tmp_path).published_dir / issued
        folder.mkdir(parents=True)
        (folder / "index.json").write_text(json.dumps(index | {"issue_time": issued}))
        (folder / "alerts.csv").write_text("level,hazard\n")
    assert run(monkeypatch, tmp_path, "status", "--date", "2026-04-10") == 0
    assert "Actual: alerts issued 20260410T0140Z" in capsys.readouterr().out


def test_a_faulty_table_of_an_agency_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "thresholds.csv").write_text(
        "station,kind,value,unit,source,as_of,verified\n"
        "011901,alarm,37,ft,the agency,2026-01-01,V\n"
    )
    arguments = ["ingest", "gauges", "--date", "2026-08-20", "--from", str(tmp_path)]
    (tmp_path / "a.csv").write_text("station,variable,time,value,unit\n")
    reference_tables.tables.cache_clear()
    assert run(monkeypatch, tmp_path / "data", *arguments, MEKONG_REFERENCE_DIR=str(tables)) == 2
    reference_tables.tables.cache_clear()
    [line] = capsys.readouterr().err.splitlines()
    assert "thresholds.csv line 2: unit: expected m above gauge zero or m for alarm" in line


def test_a_reason_with_control_characters_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["cancel", "x", "--why", "bell\x01"]
    assert run(monkeypatch, tmp_path, *arguments) == 2
    assert "expected a reason in one line of text" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["forecast", "--date", "2190-08-20"],
        ["publish", "--date", "2190-08-20"],
        ["nightly", "--date", "2190-08-20"],
        ["nightly", "--start", "2190-08-20", "--end", "2190-08-21"],
        ["watch", "--at", "2190-08-20T06:15"],
    ],
    ids=" ".join,
)
def test_a_night_of_the_future_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: list[str],
) -> None:
    """After it every true night would be an older one, and send no messages."""
    assert run(monkeypatch, tmp_path / "data", *words, MEKONG_UPSTREAM="archive") == 2
    err = capsys.readouterr().err
    assert err.startswith("mekong: expected a moment of the past, found 2190-08-20 ")
    assert err.count("\n") == 1
    assert not (tmp_path / "data").exists()
