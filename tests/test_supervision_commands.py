from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from pipeline.settings import Settings
from pipeline.supervision.notice_book import read_book
from pipeline.supervision.notices import tell
from tests.command_line import run

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
ARCHIVE = {"MEKONG_UPSTREAM": "virtual"}


@pytest.fixture
def data(nights: Settings, tmp_path: Path) -> Path:
    """A copy of a published night."""
    import shutil

    shutil.copytree(nights.data_dir, tmp_path / "data", symlinks=True)
    return tmp_path / "data"


def test_status_tells_in_one_look_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    settings = Settings(data_dir=data, records_url=None)
    tell(
        dag="mekong_nightly", task="ingest", issue_time=ISSUED, kind="failed",
        error=OSError("the cause"), asof=ISSUED, settings=settings,
    )  # fmt: skip
    before = {path: path.lstat().st_mtime_ns for path in settings.published_dir.rglob("*")}
    assert run(monkeypatch, data, "status", **ARCHIVE) == 0
    text = capsys.readouterr().out
    assert "Exercise: alerts issued 2026-08-20T00:30:00Z" in text
    assert "As of 2026-08-20T00:30:00Z. Degraded: the last good night is that of" in text
    assert re.search(
        r"^\[tomorrow\] [0-9a-f]{8}: ingest of mekong_nightly failed, 2026-08-20 00:30Z\. "
        r"Read the cause; run the task again once it is mended\.$",
        text,
        re.MULTILINE,
    )
    assert "    OSError: the cause\n    docs/operator.md#a-task-beside-the-night-failed\n" in text
    assert "The next good night is due by 2026-08-21T02:30:00Z." in text
    assert "Age of the data: imerg_late never, " in text
    assert "River forecasts by tier: " in text
    assert "GB left." in text
    assert "Nobody is told: neither MEKONG_NOTICE_WEBHOOK nor MEKONG_NOTICE_MAIL_TO" in text
    after = {path: path.lstat().st_mtime_ns for path in settings.published_dir.rglob("*")}
    assert after == before


def test_status_of_a_date_speaks_of_its_alerts_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    assert run(monkeypatch, data, "status", "--date", "2026-08-20", **ARCHIVE) == 0
    assert "last good night" not in capsys.readouterr().out


def test_what_is_acknowledged_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    settings = Settings(data_dir=data, records_url=None)
    [identifier] = tell(
        dag="mekong_nightly", task="publish", issue_time=ISSUED, kind="hung", asof=ISSUED,
        settings=settings,
    ).notices  # fmt: skip
    assert run(monkeypatch, data, "acknowledge", "ffffffff") == 2
    assert f"expected a notice of {identifier}, found ffffffff" in capsys.readouterr().err
    assert run(monkeypatch, data, "acknowledge", identifier) == 0
    assert capsys.readouterr().out == (
        f"{identifier}: publish of mekong_nightly hung, 2026-08-20 00:30Z\n1 notices acknowledged\n"
    )
    assert read_book(settings).list_open() == []


def test_without_airflow_a_failure_and_what_is_open_are_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    data: Path,
    httpserver: HTTPServer,
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    monkeypatch.setenv("MEKONG_NOTICE_WEBHOOK", httpserver.url_for("/hook"))
    published = Settings(data_dir=data, records_url=None).published_dir
    assert run(monkeypatch, data, "remind", **ARCHIVE) == 0
    assert capsys.readouterr().out.startswith("told ")
    assert (published / "last_good_night.txt").read_text() == "2026-08-20T00:30:00Z\n"
    assert (published / "health.json").is_file()
    assert (published / "metrics.prom").is_file()
    for what, urgency in (("nightly", "wake"), ("watch", "wake"), ("backup", "tomorrow")):
        assert run(monkeypatch, data, "remind", "--failed", what, **ARCHIVE) == 0
        assert capsys.readouterr().out == "told 1 notices by webhook\n"
        [notice] = json.loads(httpserver.log[-1][0].data)["notices"]
        assert (notice["dag"], notice["urgency"]) == (f"mekong_{what}", urgency)
    assert run(monkeypatch, data, "remind", "--failed", "night", **ARCHIVE) == 2


def test_a_night_that_no_timer_ran_is_told_by_the_next_hour(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    assert run(monkeypatch, data, "remind", MEKONG_UPSTREAM="archive") == 0
    assert capsys.readouterr().out.endswith(" by nothing\n")
    book = read_book(Settings(data_dir=data, records_url=None))
    assert "night_late" in {notice.fault for notice in book.list_open()}
    assert run(monkeypatch, data, "status", MEKONG_UPSTREAM="archive") == 0
    assert "The next good night was due by 2026-08-21T02:30:00Z." in capsys.readouterr().out


def test_a_reminder_that_went_nowhere_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    monkeypatch.setenv("MEKONG_NOTICE_WEBHOOK", "http://127.0.0.1:9/s3cr3t")
    assert run(monkeypatch, data, "remind", "--failed", "backup", **ARCHIVE) == 1
    err = capsys.readouterr().err
    assert err.startswith("mekong: webhook")
    assert "s3cr3t" not in err
