from __future__ import annotations

import pytest
from pydantic import SecretStr

from pipeline.settings import Settings
from pipeline.supervision.causes import LONGEST, describe_cause

HOOK = "https://chat.example.org/hooks/T0/s3cr3t-path"


def test_the_class_and_the_text_in_one_line(settings: Settings) -> None:
    error = ValueError("expected metres,\n\tfound feet")
    assert describe_cause(error, settings=settings) == "ValueError: expected metres, found feet"
    assert describe_cause(KeyError(), settings=settings) == "KeyError"
    assert describe_cause("a text", settings=settings) == "a text"
    assert describe_cause(None, settings=settings) == ""


def test_escapes_and_turned_text_are_blanks(settings: Settings) -> None:
    text = "a\x1b[31mred\x1b[0m \x07\x9b2J \u202egnp.exe\u2066 \0b\u2028c"
    cause = describe_cause(text, settings=settings)
    assert cause.isprintable()
    assert cause == "a [31mred [0m 2J gnp.exe b c"


def test_it_is_cut(settings: Settings) -> None:
    cause = describe_cause(ValueError("x" * 10_000_000), settings=settings)
    assert len(cause) == LONGEST
    assert cause.endswith("…")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("could not log in to postgresql://mekong:hunter22@db/x", "hunter22"),
        ("GET https://api.example.org/x?authKey=abcdef123456&n=1 gave 403", "abcdef123456"),
        ("sent Authorization: Bearer eyJhbGciOi.J9.abc", "eyJhbGciOi"),
        ('{"password": "two words", "n": 1}', "two words"),
        ("KMA_API_KEY=planted-key", "planted-key"),
        ("token: planted-token", "planted-token"),
        ("found -----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY----- there", "MIIEvQ"),
        ("found -----BEGIN PRIVATE KEY-----\nMIIEvQ cut off", "MIIEvQ"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(settings: Settings, text: str, secret: str) -> None:
    cause = describe_cause(RuntimeError(text), settings=settings)
    assert secret not in cause
    assert "***" in cause


@pytest.mark.parametrize(
    ("variable", "value", "secret"),
    [
        ("EARTHDATA_TOKEN", "planted1", "planted1"),
        ("EARTHDATA_PASSWORD", "planted2/x", "planted2"),
        ("PPS_PASSWORD", "planted3", "planted3"),
        ("KMA_API_KEY", "planted4", "planted4"),
        ("MRC_API_KEY", "planted5", "planted5"),
        ("AIRFLOW_CONN_KMA", '{"password": "planted6"}', "planted6"),
    ],
)
def test_credentials_are_hidden(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, secret: str
) -> None:
    monkeypatch.setenv(variable, value)
    said = value if not value.startswith("{") else secret
    assert secret not in describe_cause(OSError(f"refused: <{said}>"), settings=settings)


def test_secrets_of_the_settings_are_hidden(settings: Settings) -> None:
    own = settings.model_copy(
        update={
            "notice_webhook": SecretStr(HOOK),
            "notice_mail_password": SecretStr("mail-pass"),
            "records_url": SecretStr("postgresql+psycopg://me:db-pass@db/x"),
        }
    )
    cause = describe_cause(f"{HOOK} and mail-pass and db-pass", settings=own)
    assert cause == "*** and *** and ***"


def test_a_path_of_a_file_stays(settings: Settings) -> None:
    text = "data/records.db: malformed; put back a backup"
    assert describe_cause(text, settings=settings) == text
