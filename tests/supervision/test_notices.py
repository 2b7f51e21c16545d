from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from pipeline.settings import Settings
from pipeline.storage import atomic
from pipeline.supervision.notice_book import read_book
from pipeline.supervision.notices import Telling, acknowledge, remind, tell, tell_run
from tests.exchange.schema_cases import find_faults
from tests.supervision.conftest import ISSUED, NOW
from tests.supervision.test_inspection import flip_byte, lose_latest

HOUR = timedelta(hours=1)
HOOK = "/hooks/s3cr3t"


@pytest.fixture
def hooked(night: Settings, httpserver: HTTPServer) -> Settings:
    """A published night whose notices go to a server that takes them."""
    httpserver.expect_request(HOOK).respond_with_data("ok")
    return night.model_copy(update={"notice_webhook": SecretStr(httpserver.url_for(HOOK))})


def posted(server: HTTPServer) -> list[dict[str, Any]]:
    return [json.loads(request.data) for request, _ in server.log]


def fail(own: Settings | None, *, asof: datetime = NOW, **changed: Any) -> Telling:
    given: dict[str, Any] = {
        "dag": "mekong_nightly", "task": "publish", "issue_time": ISSUED, "kind": "failed",
        "error": ValueError("expected metres, found feet"), "asof": asof, "settings": own,
    }  # fmt: skip
    return tell(**{**given, **changed})


def test_what_a_person_reads(hooked: Settings, httpserver: HTTPServer) -> None:
    telling = fail(hooked)
    assert (telling.taken, telling.failures) == (("webhook",), ())
    [identifier] = telling.notices
    [document] = posted(httpserver)
    assert document["text"] == (
        "Mekong WAKE: publish of mekong_nightly failed, 2026-08-20 00:30Z\n"
        "[wake] publish of mekong_nightly failed, 2026-08-20 00:30Z\n"
        "It means: a step of the night failed and the night is not published by it.\n"
        "Cause: ValueError: expected metres, found feet\n"
        "To do: Read the cause, mend it and clear the task; until then the last tree stands.\n"
        "Run book: docs/operator.md#a-step-of-the-night-failed\n"
        f"Taken over? mekong acknowledge {identifier}"
    )
    [notice] = document["notices"]
    assert notice == {
        "id": identifier, "urgency": "wake", "fault": "step_failed", "kind": "failed",
        "dag": "mekong_nightly", "task": "publish", "issue_time": "2026-08-20T00:30:00Z",
        "cause": "ValueError: expected metres, found feet",
        "do": "Read the cause, mend it and clear the task; until then the last tree stands.",
        "run_book": "docs/operator.md#a-step-of-the-night-failed",
        "since": "2026-08-20T01:30:00Z", "times": 1,
    }  # fmt: skip
    state = json.loads((hooked.published_dir / "health.json").read_bytes())
    assert find_faults(state, "health") == []
    assert state["state"] == "failing"
    assert state["to_do"][0]["told"] == "2026-08-20T01:30:00Z"
    assert state["channels"] == ["webhook"]


def test_secrets_reach_nobody(
    hooked: Settings,
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("KMA_API_KEY", "planted-key")
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)  # the receiver's own log
    with caplog.at_level(logging.DEBUG):
        fail(hooked, error=RuntimeError("authKey planted-key \x1b[2J \r\nSubject: other"))
    [document] = posted(httpserver)
    assert document["notices"][0]["cause"] == "RuntimeError: authKey *** [2J Subject: other"
    for path in hooked.data_dir.rglob("*"):
        if path.is_file() and path.suffix in {".json", ".prom", ".txt"}:
            assert "planted" not in path.read_text(encoding="utf-8")
            assert "s3cr3t" not in path.read_text(encoding="utf-8")
    assert "planted" not in caplog.text
    assert "s3cr3t" not in caplog.text


def test_it_is_told_again_every_hour_until_somebody_takes_over(
    hooked: Settings, httpserver: HTTPServer
) -> None:
    fail(hooked)
    for minutes, told in ((10, 1), (59, 2), (60, 2), (119, 3)):
        remind(asof=NOW + timedelta(minutes=minutes), settings=hooked)
        assert len(httpserver.log) == told, minutes
    assert "1 times" not in posted(httpserver)[-1]["text"]
    [notice] = acknowledge(["all"], asof=NOW + 3 * HOUR, settings=hooked)
    assert notice.acknowledged == NOW + 3 * HOUR
    for hours in (4, 5, 6):
        remind(asof=NOW + hours * HOUR, settings=hooked)
    assert len(httpserver.log) == 3


def test_what_can_wait_is_told_once_a_day(hooked: Settings, httpserver: HTTPServer) -> None:
    fail(hooked, task="ingest")
    told = list[int]()
    for hours in (1, 2, 23, 24, 25):
        remind(asof=NOW + hours * HOUR, settings=hooked)
        told += [hours] * (len(httpserver.log) - 1 - len(told))
    assert told == [24]
    assert posted(httpserver)[-1]["text"].startswith("Mekong tomorrow: ingest of")


def test_a_reminder_is_one_message(hooked: Settings, httpserver: HTTPServer) -> None:
    fail(hooked)
    fail(hooked, task="forecast")
    fail(hooked, task="ingest.smap")
    remind(asof=NOW + HOUR, settings=hooked)
    last = posted(httpserver)[-1]
    assert len(httpserver.log) == 4
    assert {one["task"] for one in last["notices"]} == {"publish", "forecast"}
    assert "(and 1 more)" in last["text"].splitlines()[0]


def test_a_retry_is_counted_and_not_told_at_once(hooked: Settings, httpserver: HTTPServer) -> None:
    fail(hooked)
    fail(hooked, asof=NOW + timedelta(minutes=5))
    assert len(httpserver.log) == 1
    remind(asof=NOW + HOUR, settings=hooked)
    assert ", 2 times since 2026-08-20T01:30:00Z" in posted(httpserver)[-1]["text"]


def test_a_task_that_fails_anew_is_open_again(hooked: Settings, httpserver: HTTPServer) -> None:
    fail(hooked)
    acknowledge(["all"], asof=NOW, settings=hooked)
    fail(hooked, asof=NOW + 2 * HOUR)
    assert len(httpserver.log) == 2


def test_one_notice_is_acknowledged_alone(hooked: Settings) -> None:
    [first] = fail(hooked).notices
    [second] = fail(hooked, task="forecast").notices
    with pytest.raises(LookupError, match="found 00000000"):
        acknowledge([first, "00000000"], asof=NOW, settings=hooked)
    assert len(read_book(hooked).list_open()) == 2
    acknowledge([first], asof=NOW, settings=hooked)
    assert [one.identifier for one in read_book(hooked).list_open()] == [second]


def test_nothing_is_acknowledged_in_an_empty_folder(settings: Settings) -> None:
    assert acknowledge(["all"], asof=NOW, settings=settings) == []
    assert not settings.data_dir.exists()


def test_a_message_that_nobody_took_is_sent_with_the_next_hour(
    night: Settings, httpserver: HTTPServer
) -> None:
    answers = [Response(status=403), Response(status=200)]
    httpserver.expect_request(HOOK).respond_with_handler(lambda _: answers.pop(0))
    own = night.model_copy(update={"notice_webhook": SecretStr(httpserver.url_for(HOOK))})
    telling = fail(own)
    assert (telling.taken, len(telling.failures)) == ((), 1)
    state = json.loads((own.published_dir / "health.json").read_bytes())
    assert state["to_do"][0]["told"] is None, "nobody was told yet"
    assert remind(asof=NOW + timedelta(minutes=20), settings=own).taken == ("webhook",)


def test_without_a_channel_nobody_was_told(night: Settings, httpserver: HTTPServer) -> None:
    fail(night)
    state = json.loads((night.published_dir / "health.json").read_bytes())
    assert (state["to_do"][0]["told"], state["channels"]) == (None, [])
    httpserver.expect_request(HOOK).respond_with_data("ok")
    own = night.model_copy(update={"notice_webhook": SecretStr(httpserver.url_for(HOOK))})
    assert remind(asof=NOW + timedelta(minutes=1), settings=own).taken == ("webhook",)


def test_the_dead_man_wakes_somebody_for_each_night_that_is_missed(
    hooked: Settings, httpserver: HTTPServer
) -> None:
    remind(asof=ISSUED + 26 * HOUR, settings=hooked)
    assert httpserver.log == []
    remind(asof=ISSUED + 27 * HOUR, settings=hooked)
    [document] = posted(httpserver)
    [notice] = document["notices"]
    assert (notice["fault"], notice["issue_time"]) == ("night_late", "2026-08-21T00:30:00Z")
    assert notice["cause"].startswith("the last good night is that of 2026-08-20T00:30:00Z")
    acknowledge(["all"], asof=ISSUED + 28 * HOUR, settings=hooked)
    for hours in (28, 36, 49):
        remind(asof=ISSUED + hours * HOUR, settings=hooked)
    assert len(httpserver.log) == 1, "acknowledged for this night"
    remind(asof=ISSUED + 51 * HOUR, settings=hooked)
    assert posted(httpserver)[-1]["notices"][0]["issue_time"] == "2026-08-22T00:30:00Z"


def test_the_callback_of_a_deadline_and_the_dead_man_are_one_notice(hooked: Settings) -> None:
    fail(hooked, task=None, kind="late", error=None, issue_time=ISSUED + timedelta(days=1))
    remind(asof=ISSUED + 27 * HOUR, settings=hooked)
    assert len(read_book(hooked).notices) == 1


def test_the_dead_man_needs_no_tree_that_can_be_inspected(
    hooked: Settings, httpserver: HTTPServer
) -> None:
    remind(asof=NOW, settings=hooked)
    lost = hooked.model_copy(update={"signing_keys": hooked.data_dir / "lost.pem"})
    with pytest.raises(Exception, match=r"lost\.pem"):
        remind(asof=ISSUED + 27 * HOUR, settings=lost)
    [notice] = posted(httpserver)[-1]["notices"]
    assert notice["fault"] == "night_late"
    state = json.loads((hooked.published_dir / "health.json").read_bytes())
    assert state["state"] == "failing"
    assert state["not_known"][0].startswith("published tree: ")


def test_a_machine_that_never_had_a_night(settings: Settings) -> None:
    remind(asof=NOW, settings=settings)
    remind(asof=NOW + 26 * HOUR, settings=settings)
    assert read_book(settings).notices == [], "the first night has its time"
    remind(asof=NOW + 27 * HOUR, settings=settings)
    [notice] = read_book(settings).notices
    assert (notice.fault, notice.urgency) == ("night_late", "wake")


def test_a_tree_that_is_damaged_between_two_nights(
    hooked: Settings, httpserver: HTTPServer
) -> None:
    remind(asof=NOW, settings=hooked)
    flip_byte(hooked.published_dir)
    remind(asof=NOW + HOUR, settings=hooked)
    [document] = posted(httpserver)
    assert document["notices"][0]["fault"] == "file_damaged"
    acknowledge(["all"], asof=NOW + HOUR, settings=hooked)
    remind(asof=NOW + 3 * HOUR, settings=hooked)
    assert len(httpserver.log) == 1


def test_a_lost_tree_is_told_once_it_is_late(hooked: Settings, httpserver: HTTPServer) -> None:
    remind(asof=NOW, settings=hooked)
    lose_latest(hooked.published_dir)
    remind(asof=ISSUED + 27 * HOUR, settings=hooked)
    assert posted(httpserver)[-1]["notices"][0]["fault"] == "night_late"


def test_little_room_is_told(
    hooked: Settings, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(hooked.data_dir)._replace(free=4 << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    remind(asof=NOW, settings=hooked)
    [document] = posted(httpserver)
    assert document["notices"][0]["fault"] == "disk_low"
    assert document["notices"][0]["cause"] == "4.3 GB are left"


def test_a_clock_that_goes_back_does_not_silence(hooked: Settings, httpserver: HTTPServer) -> None:
    fail(hooked, asof=NOW + timedelta(days=30))
    remind(asof=NOW, settings=hooked)
    assert len(httpserver.log) == 2


def full_disk(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:  # noqa: ARG001
    def refuse(*_: object, **__: object) -> Any:
        raise OSError(28, "No space left on device")

    for module in ("notice_book", "health"):
        monkeypatch.setattr(f"pipeline.supervision.{module}.draft_file", refuse)


def closed_published(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    def refuse(path: Path, **given: Any) -> Any:
        if path.parent == settings.published_dir:
            raise PermissionError(13, "Permission denied", str(path))
        return draft(path, **given)

    draft = atomic.draft_file
    monkeypatch.setattr("pipeline.supervision.health.draft_file", refuse)


def no_folder(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:  # noqa: ARG001
    shutil.rmtree(settings.data_dir)
    settings.data_dir.write_text("a file where the folder was")


def held_lock(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:  # noqa: ARG001
    def busy(path: Path, **_: object) -> Any:
        raise atomic.Busy(f"{path.name} is being written by another")

    for module in ("notice_book", "health"):
        monkeypatch.setattr(f"pipeline.supervision.{module}.open_locked", busy)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (full_disk, "No space left"),
        (closed_published, "health.json: PermissionError"),
        (no_folder, "notice: "),
        (held_lock, "is being written by another"),
    ],
)
def test_a_person_is_told_though_nothing_can_be_written(
    hooked: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Callable[[pytest.MonkeyPatch, Settings], None],
    words: str,
) -> None:
    fault(monkeypatch, hooked)
    telling = fail(hooked)
    assert telling.taken == ("webhook",)
    assert any(words in line for line in telling.failures)
    assert words in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder(hooked: Settings) -> None:
    hooked.published_dir.chmod(0o555)
    assert fail(hooked).taken == ("webhook",)


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "exploded"},
        {"dag": None},
        {"asof": "now"},
        {"asof": datetime(2026, 8, 20)},  # noqa: DTZ001
        {"issue_time": "yesterday"},
        {"settings": object()},
        {"error": object()},
    ],
)
def test_nothing_is_ever_raised_into_airflow(hooked: Settings, changed: dict[str, Any]) -> None:
    assert isinstance(fail(hooked, **changed), Telling)


def test_nor_by_an_error_that_cannot_be_read(hooked: Settings) -> None:
    class UnreadableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert fail(hooked, error=UnreadableError()).taken == ("webhook",)


def test_nor_by_settings_that_are_wrong(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MEKONG_NOTICE_WEBHOOK", "http://example.org/s3cr3t")
    telling = fail(None)
    assert len(telling.failures) == 1
    assert "nobody could be told that publish of mekong_nightly failed" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_reminder_ends_in_time_with_a_slow_webhook(
    night: Settings, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def answer_late(_: Request) -> Response:
        ended.wait(60)
        return Response()

    httpserver.expect_request(HOOK).respond_with_handler(answer_late)
    own = night.model_copy(update={"notice_webhook": SecretStr(httpserver.url_for(HOOK))})
    monkeypatch.setattr("pipeline.supervision.delivery.LIMIT_S", 0.4)
    monkeypatch.setattr("pipeline.supervision.delivery.SILENCE_S", 0.3)
    began = time.monotonic()
    telling = fail(own)
    lasted_s = time.monotonic() - began
    ended.set()
    assert lasted_s < 30
    assert telling.taken == ()
    assert (own.published_dir / "health.json").is_file()


@pytest.mark.parametrize(
    ("task", "timed_out", "told"),
    [("publish", False, 0), ("publish", True, 1), (None, False, 1)],
    ids=["a task told it", "lasted too long", "no task told it"],
)
def test_a_failed_run_is_told_where_no_task_told_it(
    hooked: Settings, httpserver: HTTPServer, task: str | None, *, timed_out: bool, told: int
) -> None:
    if task is not None:
        fail(hooked, task=task)
    before = len(httpserver.log)
    tell_run(
        dag="mekong_nightly", issue_time=ISSUED, timed_out=timed_out, asof=NOW, settings=hooked
    )
    assert len(httpserver.log) - before == told
