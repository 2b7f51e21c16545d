"""Credentials of the environment, of Airflow connections and of netrc."""

from __future__ import annotations

import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.sources.access.client import Client
from pipeline.sources.base import NeedsCredentials

HDF = b"\x89HDF\r\n\x1a\n"
FILE = HDF + bytes(range(256)) * 400
PUBLISHED = datetime(2026, 8, 20, 1, 2, 3, tzinfo=UTC)
KEY = "k3y/with spaces+and%signs"
LIMIT_S, SLACK_S = 0.3, 2.0


@pytest.mark.parametrize(
    "environment",
    [
        {"EARTHDATA_USERNAME": "me", "EARTHDATA_PASSWORD": "p/w:1", "EARTHDATA_TOKEN": "t"},
        {"AIRFLOW_CONN_EARTHDATA": "https://me:p%2Fw%3A1@urs.earthdata.nasa.gov/?token=t"},
        {"AIRFLOW_CONN_EARTHDATA": '{"login": "me", "password": "p/w:1", "extra": {"token": "t"}}'},
        {
            "AIRFLOW_CONN_EARTHDATA": '{"conn_type": "http", "login": "me", "password": "p/w:1", '
            '"extra": "{\\"token\\": \\"t\\"}"}'
        },
    ],
)
def test_credentials_from_environment_and_connections(environment: dict[str, str]) -> None:
    with Client(environment=environment) as client:
        found = [client.secret(f"EARTHDATA_{name}") for name in ("USERNAME", "PASSWORD", "TOKEN")]
    assert found == ["me", "p/w:1", "t"]


@pytest.mark.parametrize("value", ["http://:k3y@", '{"password": "k3y"}', "http://?api_key=k3y"])
def test_a_key_alone_is_the_password_of_a_connection(value: str) -> None:
    with Client(environment={"AIRFLOW_CONN_KMA": value}) as client:
        assert client.secret("KMA_API_KEY") == "k3y"
        with pytest.raises(NeedsCredentials):
            client.secret("KMA_USERNAME")


def test_credentials_from_netrc(tmp_path: Path) -> None:
    path = tmp_path / ".netrc"
    path.write_text("machine urs.earthdata.nasa.gov login me password p4ss\n", encoding="utf-8")
    path.chmod(0o600)
    for environment in ({"HOME": str(tmp_path)}, {"NETRC": str(path)}):
        with Client(environment=environment) as client:
            assert client.secret("EARTHDATA_USERNAME") == "me"
            assert client.secret("EARTHDATA_PASSWORD") == "p4ss"
            for name in ("EARTHDATA_TOKEN", "PPS_PASSWORD", "KMA_API_KEY"):
                with pytest.raises(NeedsCredentials, match=f"needs {name}, which is not set"):
                    client.secret(name)
    path.write_text("machine urs.earthdata.nasa.gov login me passwort p4ss\n", encoding="utf-8")
    with (
        Client(environment={"NETRC": str(path)}) as client,
        pytest.raises(NeedsCredentials, match="without the mistake in line 1") as failed,
    ):
        client.secret("EARTHDATA_PASSWORD")
    assert "p4ss" not in "".join(traceback.format_exception(failed.value))


def test_a_broken_connection_is_named_and_not_shown() -> None:
    broken = {"AIRFLOW_CONN_MRC": '{"password": "k3y"'}
    with (
        Client(environment=broken) as client,
        pytest.raises(NeedsCredentials, match="needs AIRFLOW_CONN_MRC as an address") as failed,
    ):
        client.secret("MRC_API_KEY")
    assert "k3y" not in str(failed.value)


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "MRC_API_KEY", "k")
    with Client() as client:
        assert client.secret("MRC_API_KEY") == "k"


def test_a_token_with_a_line_end_is_taken_without_and_one_with_others_is_named() -> None:
    with Client(environment={"EARTHDATA_TOKEN": " t0ken\r\n", "KMA_API_KEY": "k\n3y"}) as client:
        assert client.secret("EARTHDATA_TOKEN") == "t0ken"
        with pytest.raises(NeedsCredentials, match="KMA_API_KEY in printable ASCII") as failed:
            client.secret("KMA_API_KEY")
        assert "3y" not in str(failed.value)


@pytest.mark.parametrize("extra", ["[1]", "5", '"x"', "{"])
def test_an_odd_connection_is_named(extra: str) -> None:
    odd = {"AIRFLOW_CONN_KMA": f'{{"password": "k3y", "extra": {extra}}}'}
    with (
        Client(environment=odd) as client,
        pytest.raises(Exception, match="AIRFLOW_CONN_KMA as") as no,
    ):
        client.secret("KMA_API_KEY")
    assert "k3y" not in str(no.value)


def test_a_netrc_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".netrc"
    path.write_bytes(b"machine urs.earthdata.nasa.gov login me password \xff\xfe\x00")
    with Client(environment={"NETRC": str(path)}) as client:
        with pytest.raises(NeedsCredentials, match="netrc") as failed:
            client.secret("EARTHDATA_PASSWORD")
        assert "\\xff" not in str(failed.value)
