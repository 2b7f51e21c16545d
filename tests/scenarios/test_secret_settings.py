"""No secret of the settings is shown: by them, by their errors, by tables, notices and keys."""

from __future__ import annotations

import base64
import json
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr, ValidationError
from pytest_httpserver import HTTPServer
from werkzeug import Request as PostRequest
from werkzeug import Response as PostResponse

from pipeline.exchange.keys import load_keys
from pipeline.settings import SECRETS, Settings
from pipeline.sources import SOURCES
from pipeline.sources.access.client import Client
from pipeline.sources.base import HttpError
from pipeline.storage.records import Records
from pipeline.supervision.causes import describe_cause
from pipeline.supervision.delivery import deliver
from pipeline.supervision.notices import tell
from tests.command_line import run
from tests.exchange.key_cases import pem
from tests.scenarios.planted import (
    CREDENTIALS,
    NAMES,
    WORDS,
    describe,
    find_planted,
    logged,
    read_files,
    set_credentials,
)
from tests.scenarios.test_hostile_servers import NIGHT
from tests.sources.servers import closed_address
from tests.supervision.conftest import MailServer


@pytest.fixture
def planted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> dict[str, str]:
    """Every secret of the settings and every credential, as variables of the environment."""
    set_credentials(monkeypatch, tmp_path, *CREDENTIALS, *NAMES)
    database = f"postgresql+psycopg://me:{quote(WORDS['records_url'] + ' @/:', safe='')}"
    own = {
        "DATA_DIR": str(tmp_path / "data"),
        "RECORDS_URL": f"{database}@127.0.0.1:{closed_address().rpartition(':')[2]}/records",
        "NOTICE_WEBHOOK": httpserver.url_for(f"/hooks/T0/{WORDS['notice_webhook']}?k=v"),
        "NOTICE_MAIL_TO": '["on-call@example.org"]',
        "NOTICE_MAIL_USER": "me",
        "NOTICE_MAIL_PASSWORD": WORDS["notice_mail_password"],
        "SIGNING_KEYS_PEM": pem("A") + WORDS["signing_keys_pem"],
    }
    for name, value in own.items():
        monkeypatch.setenv(f"MEKONG_{name}", value)
    return own


def test_each_secret_of_the_settings_is_planted() -> None:
    assert {*SECRETS} == {
        name
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert {*SECRETS} < {*WORDS}
    needed = {name for row in SOURCES.values() for need in row.needs for name in need.split(" or ")}
    assert needed < {*CREDENTIALS}


def test_settings_show_no_secret(planted: dict[str, str]) -> None:
    settings = Settings()
    shown = [repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()]
    assert find_planted(*shown) == set()
    assert find_planted(*(str(getattr(settings, name)) for name in SECRETS)) == set()
    assert planted["RECORDS_URL"] == settings.database


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize(
    "wrong",
    [
        {"REGION": "asean"},
        {"ALERT_STATUS": "Actual"},
        {"SIGNING_KEYS": "keys.pem"},
        {"UPSTREAM": "ftp"},
        {"SIGNING_KEYS": "-----BEGIN pl4ntedTextOfKeys"},
        {"NOTICE_WEBHOOK": f"http://example.org/{WORDS['notice_webhook']}"},
        {"ENDPOINTS": json.dumps({"kma": f"https://me:{WORDS['KMA_API_KEY']}@127.0.0.1"})},
        {"ENDPOINTS": f'{{"kma": "{WORDS["KMA_API_KEY"]}'},
    ],
)
def test_no_error_of_the_settings_shows_a_secret(
    wrong: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in wrong.items():
        monkeypatch.setenv(f"MEKONG_{name}", value)
    with pytest.raises((ValidationError, ValueError)) as error:
        Settings()
    assert find_planted(describe(error.value)) == set()
    assert run(monkeypatch, tmp_path / "data", "status") == 2
    printed = capfd.readouterr()
    assert printed.err.startswith("mekong: ")
    assert find_planted(printed.out, printed.err) == set()


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("url", ["", "postgresql://me:{word}@[::1/x", "postgresql://me:{word}@h:x/y",
                                 "{word}", "postgresql://me:{word}/@127.0.0.1:1/x"])  # fmt: skip
def test_tables_that_do_not_answer_show_no_password(
    url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:  # fmt: skip
    if url:
        monkeypatch.setenv("MEKONG_RECORDS_URL", url.format(word=WORDS["records_url"]))
    with pytest.raises(Exception, match=r".+") as error:
        Records(Settings().database).last_issued(before=NIGHT)
    assert find_planted(describe(error.value)) == set()
    run(monkeypatch, tmp_path / "data", "status")
    printed = capfd.readouterr()
    assert find_planted(printed.out, printed.err) == set()


@pytest.mark.parametrize("status", [200, 401, 403, 404, 302, 500])
def test_what_tells_a_person_shows_no_secret(
    status: int,
    planted: dict[str, str],
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A task failed with all secrets in its text; the webhook repeats, the mail server refuses."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("pipeline.sources.access.request._WAIT", lambda _: 0.0)
    monkeypatch.delenv("MEKONG_RECORDS_URL")  # the tables of this test are in the data folder

    def answer(asked: PostRequest) -> PostResponse:
        said = f"{asked.full_path} {asked.url}"
        return PostResponse(said, f"{status} {said}", headers={"Location": said})

    httpserver.expect_request(f"/hooks/T0/{WORDS['notice_webhook']}").respond_with_handler(answer)
    with MailServer(offers=("AUTH PLAIN",), refuses_login=status != 200).serving() as mail:
        monkeypatch.setenv("MEKONG_NOTICE_MAIL_SERVER", f"127.0.0.1:{mail.port}")
        settings = Settings()
        texts = [*CREDENTIALS.values(), *(quote(one) for one in CREDENTIALS.values())]
        logins = [
            f"{NAMES[f'{service}_USERNAME']}:{CREDENTIALS[f'{service}_PASSWORD']}".encode()
            for service in ("EARTHDATA", "PPS")
        ]
        logins.append(f"\0me\0{WORDS['notice_mail_password']}".encode())
        coded = [base64.b64encode(login).decode() for login in logins]
        secrets = [*texts, planted["NOTICE_WEBHOOK"], WORDS["notice_mail_password"], *coded]
        for secret in secrets:
            cause = describe_cause(OSError(f"refused: <{secret}>"), settings=settings)
            assert find_planted(cause) == set()
        told = tell(
            dag="mekong_nightly", task="ingest.imerg_late", issue_time=NIGHT, kind="failed",
            error=OSError(f"refused: {secrets}"), asof=NIGHT, settings=settings,
        )  # fmt: skip
        assert find_planted(repr(told)) == set()
        delivered = deliver("subject", "text", {}, settings=settings)
    assert delivered.taken == (("webhook", "mail") if status == 200 else ())
    assert len(mail.logins) > 0
    posted = [request.get_data() for request, _ in httpserver.log]
    assert posted
    assert find_planted(*posted) == set()
    assert find_planted(*mail.mails) == set()
    assert find_planted(repr(delivered)) == set()
    assert find_planted(*logged(caplog)) == set()
    assert find_planted(*read_files(settings.data_dir)) == set()


def test_keys_that_cannot_be_read_are_not_shown(planted: dict[str, str]) -> None:
    body = pem("A").partition("-----BEGIN PRIVATE KEY-----")[2].split()[0]
    assert load_keys(Settings()) is not None
    for text in (
        planted["SIGNING_KEYS_PEM"].replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
        WORDS["signing_keys_pem"],
        pem("A").replace(body, f"{WORDS['signing_keys_pem']}{body[30:]}"),
    ):
        with pytest.raises(Exception, match=r".+") as error:
            load_keys(Settings(signing_keys_pem=SecretStr(text)))
        assert find_planted(describe(error.value)) == set()
        assert body[30:] not in describe(error.value)


def test_a_proxy_that_refuses_does_not_repeat_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    word = WORDS["https_proxy"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setenv("https_proxy", f"http://me:{word}%2F@127.0.0.1:{port}")
        listening.settimeout(10)

        def refuse() -> bytes:
            connection, _ = listening.accept()
            with connection:
                head = connection.recv(65536)
                proof = head.partition(b"Basic ")[2].partition(b"\r")[0]
                said = proof + b" " + base64.b64decode(proof)
                connection.sendall(b"HTTP/1.1 407 no " + said + b"\r\nContent-Length: 0\r\n\r\n")
            return head

        with (
            ThreadPoolExecutor(1) as thread,
            Client(environment={}, attempts=1, timeout_s=5) as client,
        ):
            asked = thread.submit(refuse)
            with pytest.raises(HttpError, match="ProxyError") as error:
                client.get("https://example.org/x")
            assert find_planted(asked.result()) == {"https_proxy"}
    assert find_planted(describe(error.value)) == set()
