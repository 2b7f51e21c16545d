"""Settings from the environment and a file; a wrong one is one line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from pipeline.settings import Settings
from tests.command_line import run


def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "status", MEKONG_UPSTREAM="ftp") == 2
    error = capsys.readouterr().err
    assert "setting upstream: Input should be 'virtual', 'internet' or 'archive'" in error


@pytest.mark.parametrize("name", ["NOTICE_MAIL_TO", "ALERT_AUTHORITIES"])
def test_a_setting_that_is_no_json_is_named_with_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    own = {f"MEKONG_{name}": "duty@example.org"}
    assert run(monkeypatch, tmp_path, "status", **own) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"mekong: setting {name.lower()}: expected JSON, such as [")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MEKONG_UPSTREM", "MEKONG_UPSTREM is no setting; did you mean MEKONG_UPSTREAM?"),
        ("MEKONG_DATADIR", "MEKONG_DATADIR is no setting; did you mean MEKONG_DATA_DIR?"),
        ("MEKONG_QQQQ", "MEKONG_QQQQ is no setting; expected MEKONG_ALERT_AUTHORITIES, "),
    ],
)
def test_a_mistyped_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    message: str,
) -> None:
    assert run(monkeypatch, tmp_path, "status", **{name: "x"}) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'region = "mek', "mend it or move it away"),
        (b"seed = \xff\xfe", "mekong.toml: expected TOML, found: "),
        (b"regoin = 'mekong'", "mekong.toml: regoin is no setting; did you mean region?"),
        (b"MEKONG_DATA_DIR = 'x'", "MEKONG_DATA_DIR is no setting; did you mean data_dir?"),
        (
            b"qqqq = 1",
            "mekong.toml: qqqq is no setting; expected alert_authorities, ",
        ),
    ],
)
def test_a_settings_file_that_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    message: str,
) -> None:
    (tmp_path / "mekong.toml").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, tmp_path, "status") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_endpoints_that_are_no_json_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "status", MEKONG_ENDPOINTS="x") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "endpoints" in line


def test_an_empty_folder_of_tables_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", "")
    assert Settings().reference_dir is None
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", "~/tables")
    assert Settings().reference_dir == Path.home() / "tables"


def test_regions_keep_apart(tmp_path: Path) -> None:
    basin = Settings(data_dir=tmp_path, upstream="virtual", records_url=None, region="mekong")
    wide = Settings(data_dir=tmp_path, upstream="virtual", records_url=None, region="asean")
    for folder in ("upstream_dir", "archive_dir", "models_dir", "published_dir"):
        assert getattr(basin, folder).parent == tmp_path
        assert getattr(wide, folder).parent == tmp_path / "asean"
    assert basin.database != wide.database
    for region, url in (("asean", "postgresql://host/floods"), ("mekong", "sqlite:///asean.db")):
        with pytest.raises(ValidationError, match=f"a database of its own for region '{region}'"):
            Settings.model_validate({"records_url": url, "region": region})
    with pytest.raises(ValidationError, match="'mekong' or 'asean'"):
        Settings.model_validate({"region": "indus"})


def test_arguments_come_before_the_environment_and_that_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mekong.toml").write_text('seed = 1\nwait_minutes = 5\nalert_sender = "a@b"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEKONG_WAIT_MINUTES", "10")
    monkeypatch.setenv("MEKONG_SEED", "2")
    settings = Settings(seed=3)
    assert (settings.seed, settings.wait_minutes, settings.alert_sender) == (3, 10, "a@b")
    assert settings.alert_status == "Test", "the default"


def test_tables_of_an_agency_are_no_argument(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"expected in the environment .*, found an argument"):
        Settings(reference_dir=tmp_path)


def test_actual_messages_have_a_sender_whom_one_can_ask() -> None:
    named = {
        "alert_sender_name": "Department of Meteorology",
        "alert_contact": "+856 21 000000",
        "public_url": "https://example.org/mekong",
    }
    assert Settings(alert_status="Actual", **named).alert_status == "Actual"  # type: ignore[arg-type]
    for name in named:
        with pytest.raises(ValidationError, match=f"expected {name} to be set, found none"):
            Settings(alert_status="Actual", **{**named, name: None})  # type: ignore[arg-type]
    assert Settings(alert_status="Test").public_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTICE_WEBHOOK", "http://example.org/hooks/s3cr3t"),
        ("NOTICE_WEBHOOK", "ftp://example.org/s3cr3t"),
        ("NOTICE_WEBHOOK", "http://127.0.0.1.example.org/s3cr3t"),
        ("NOTICE_WEBHOOK", "http://localhost:s3cr3t@example.org/"),
        ("NOTICE_WEBHOOK", "https:///s3cr3t"),
    ],
)
def test_a_webhook_is_secret_and_goes_over_tls(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MEKONG_{name}", value)
    with pytest.raises(ValidationError, match="expected https, or http on this machine") as error:
        Settings()
    assert "s3cr3t" not in str(error.value)


def test_no_error_shows_the_secrets_of_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEKONG_NOTICE_WEBHOOK", "https://example.org/hooks/s3cr3t")
    monkeypatch.setenv("MEKONG_NOTICE_MAIL_PASSWORD", "s3cr3t")
    assert "s3cr3t" not in repr(Settings())
    monkeypatch.setenv("MEKONG_ALERT_STATUS", "Actual")  # an error of the whole model
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "s3cr3t" not in str(error.value)
    monkeypatch.delenv("MEKONG_ALERT_STATUS")
    monkeypatch.setenv("MEKONG_NOTICE_WEBHOOK", "")
    assert Settings().notice_webhook is None
    for local in ("http://127.0.0.1:8080/s3cr3t", "http://localhost/s3cr3t", "http://[::1]:80/"):
        monkeypatch.setenv("MEKONG_NOTICE_WEBHOOK", local)
        assert Settings().notice_webhook is not None
