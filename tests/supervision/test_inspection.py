"""A tree with each kind of damage: all are found, none of the tree is touched."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.exchange.index import mark_cancelled
from pipeline.exchange.keys import SigningKeys
from pipeline.exchange.publication import publish_tree, replace_watch
from pipeline.exchange.tree import make_tree
from pipeline.geography import places
from pipeline.issuance.bundle import write_short_texts
from pipeline.settings import Settings
from pipeline.storage.records import Records
from pipeline.supervision.inspection import Inspection, inspect_published, read_issue_time
from tests.exchange.key_cases import keys_of
from tests.supervision.conftest import ISSUED, NOW

FLOODED = "pakse"


def inspect(
    published: Path,
    *,
    now: datetime = NOW,
    oldest: datetime = ISSUED,
    public: Any = None,
    cities: Any = None,
) -> Inspection:
    known = places.cities("mekong", asof=NOW) if cities is None else cities
    return inspect_published(published, asof=now, oldest=oldest, cities=known, public=public)


def codes(inspection: Inspection) -> set[str]:
    return {finding.code for finding in inspection.findings}


def newest(published: Path) -> Path:
    return (published / "latest").resolve()


def spoil(path: Path, content: bytes) -> None:
    """Replace a file, read-only or not, without touching its second name."""
    path.unlink()
    path.write_bytes(content)


def seal(published: Path, **entries: Any) -> None:
    """Make the digests of index and latest those of the files as they are now."""
    folder = newest(published)
    index = json.loads((folder / "index.json").read_bytes()) | entries
    index["files"] = {
        name: entry | {"sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
        for name, entry in index["files"].items()
        if (folder / name).is_file()
    }
    spoil(folder / "index.json", json.dumps(index).encode())
    digest = hashlib.sha256((folder / "index.json").read_bytes()).hexdigest()
    latest = json.loads((published / "latest.json").read_bytes()) | {"index_sha256": digest}
    spoil(published / "latest.json", json.dumps(latest).encode())


def rewrite_alerts(
    published: Path, change: Callable[[dict[str, Any]], None], *, counted: bool = True
) -> None:
    """Change rows of the alerts in both files and count them anew, as a wrong night would."""
    folder = newest(published)
    collection = json.loads((folder / "alerts.geojson").read_bytes())
    rows = [feature["properties"] for feature in collection["features"]]
    for row in rows:
        change(row)
    spoil(folder / "alerts.geojson", json.dumps(collection).encode())
    table = "city,hazard,level\n"
    table += "".join(f"{row['city']},{row['hazard']},{row['level']}\n" for row in rows)
    spoil(folder / "alerts.csv", table.encode())
    levels = json.loads((folder / "index.json").read_bytes())["levels"]
    if counted:
        for hazard, counts in levels.items():
            for level in counts:
                counts[level] = sum(
                    row["hazard"] == hazard and row["level"] == level for row in rows
                )
    seal(published, levels=levels)


def test_a_good_tree_has_no_findings(night: Settings) -> None:
    inspection = inspect(night.published_dir)
    assert inspection.findings == []
    assert inspection.good
    assert inspection.issue_time == ISSUED
    assert inspection.version == newest(night.published_dir).name
    assert len(inspection.alerts) == 2 * len(places.cities("mekong", asof=NOW))


def publish_again(
    settings: Settings, keys: SigningKeys | None = None, *, cancelled: str | None = None
) -> None:
    """Publish the night again, signed or with a message withdrawn."""
    folder = newest(settings.published_dir)
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    if cancelled:
        files = mark_cancelled(files, messages=[cancelled], by="a-cancel")
    records = Records(settings.database)
    tree = make_tree(files, records, records.run(ISSUED), settings=settings, keys=keys)
    publish_tree(tree, folder=settings.published_dir, issue_time=ISSUED, keys=keys)


def empty_texts(published: Path) -> set[str]:
    """Put the texts of a night without events in place; return those without content."""
    texts = write_short_texts([], ("new", "raised", "ended"))
    for name, content in texts.items():
        spoil(newest(published) / name, content)
    seal(published)
    return {name for name, content in texts.items() if not content}


def test_no_texts_are_sound_where_no_event_is_open_and_damage_where_one_is(night: Settings) -> None:
    published = night.published_dir
    assert empty_texts(published) == {
        "sms/en.txt", "sms/due/en.txt", "cb/en.txt", "cb/due/en.txt", "read/en.txt",
    }  # fmt: skip
    [finding] = inspect(published).findings
    assert (finding.code, finding.text) == (
        "file_damaged",
        "; ".join(f"{name}/en.txt: expected content, found none" for name in ("cb", "read", "sms")),
    )
    rewrite_alerts(published, lambda row: row.update(level="none", identifier=None))
    assert inspect(published).findings == []


def test_a_tree_after_a_cancel_is_good(night: Settings) -> None:
    before = inspect(night.published_dir)
    identifier = next(row["identifier"] for row in before.alerts if row["identifier"])
    publish_again(night, cancelled=identifier)
    after = inspect(night.published_dir)
    assert (after.findings, after.version == before.version) == ([], False)


def lose_latest(published: Path) -> None:
    (published / "latest.json").unlink()


def break_latest(published: Path) -> None:
    spoil(published / "latest.json", b"{")


def list_latest(published: Path) -> None:
    spoil(published / "latest.json", b"[]")


def lose_version(published: Path) -> None:
    shutil.rmtree(newest(published))


def leave_the_folder(published: Path) -> None:
    latest = json.loads((published / "latest.json").read_bytes()) | {"path": "../elsewhere"}
    spoil(published / "latest.json", json.dumps(latest).encode())


def break_index(published: Path) -> None:
    spoil(newest(published) / "index.json", b'{"version": ')


def change_index(published: Path) -> None:
    path = newest(published) / "index.json"
    spoil(path, path.read_bytes() + b"\n")


def lose_file(published: Path) -> None:
    (newest(published) / "stages.csv").unlink()


def flip_byte(published: Path) -> None:
    path = newest(published) / "risk.nc"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    spoil(path, bytes(content))


def cut_file(published: Path) -> None:
    path = newest(published) / "now.json"
    spoil(path, path.read_bytes()[:-100])


def empty_file(published: Path) -> None:
    spoil(newest(published) / "alerts.geojson", b"")


def link_file(published: Path) -> None:
    path = newest(published) / "stages.csv"
    moved = published.parent / "stages.csv"
    path.rename(moved)
    path.symlink_to(moved)


def break_json(published: Path) -> None:
    spoil(newest(published) / "cities" / "pakse.json", b"{]")
    seal(published)


def break_csv(published: Path) -> None:
    spoil(newest(published) / "forecasts.csv", b"a,b\n1\n")
    seal(published)


def break_feed(published: Path) -> None:
    spoil(newest(published) / "feed.xml", b"<feed>")
    seal(published)


def empty_netcdf(published: Path) -> None:
    spoil(newest(published) / "risk.nc", b"")
    seal(published)


def name_no_files(published: Path) -> None:
    seal(published, files={})


def add_file(published: Path) -> None:
    (newest(published) / "cities" / "extra.txt").write_bytes(b"")


def add_message(published: Path) -> None:
    path = first_message(published)
    (path.parent / "extra.xml").write_bytes(path.read_bytes())


def lose_city(published: Path) -> None:
    folder = newest(published)
    collection = json.loads((folder / "alerts.geojson").read_bytes())
    collection["features"] = [
        feature for feature in collection["features"] if feature["properties"]["city"] != "hanoi"
    ]
    spoil(folder / "alerts.geojson", json.dumps(collection).encode())
    seal(published)


def lose_hazard(published: Path) -> None:
    def change(row: dict[str, Any]) -> None:
        if (row["city"], row["hazard"]) == ("hanoi", "flood"):
            row["hazard"] = "drought"

    rewrite_alerts(published, change)


def lose_page_of_city(published: Path) -> None:
    folder = newest(published)
    (folder / "cities" / "hanoi.json").unlink()
    seal(published)


def lower_in_one_file(published: Path) -> None:
    folder = newest(published)
    text = (folder / "alerts.csv").read_text()
    line = next(line for line in text.splitlines() if ",pakse,Pakse," in line and ",flood," in line)
    level = line.split(",")[8]
    lowered = line.replace(f",flood,{level},", ",flood,none,")
    assert lowered != line, "the flood of Pakse is raised"
    spoil(folder / "alerts.csv", text.replace(line, lowered).encode())
    seal(published)


def miscount(published: Path) -> None:
    rewrite_alerts(published, lambda row: row.update(level="none", identifier=None), counted=False)


def first_message(published: Path) -> Path:
    return min((newest(published) / "cap").glob("*.xml"))


def lose_message(published: Path) -> None:
    first_message(published).unlink()
    seal(published)


def cut_message(published: Path) -> None:
    path = first_message(published)
    spoil(path, path.read_bytes()[:-10])
    seal(published)


def make_actual(published: Path) -> None:
    path = first_message(published)
    content = path.read_bytes().replace(b"<status>Exercise<", b"<status>Actual<")
    spoil(path, content)
    seal(published)


def replace_message(published: Path) -> None:
    spoil(first_message(published), b"<html/>")
    seal(published)


def drop_message_of_level(published: Path) -> None:
    rewrite_alerts(published, lambda row: row.update(identifier=None))


def make_floods_unknown(published: Path) -> None:
    def change(row: dict[str, Any]) -> None:
        if row["hazard"] == "flood":
            row.update(level="unknown")

    rewrite_alerts(published, change)


def make_some_unknown(published: Path) -> None:
    cities = iter(range(100))

    def change(row: dict[str, Any]) -> None:
        if row["hazard"] == "flood" and row["level"] == "none" and next(cities) < 14:
            row.update(level="unknown")

    rewrite_alerts(published, change)


def make_droughts_unknown(published: Path) -> None:
    def change(row: dict[str, Any]) -> None:
        if row["hazard"] == "drought":
            row.update(level="unknown")

    rewrite_alerts(published, change)


def measure_unsigned(published: Path) -> None:
    seal(published, origin="measured")


def sign_by_name_alone(published: Path) -> None:
    seal(published, signed_by=["AB:CD"])


@pytest.mark.parametrize(
    ("damage", "code", "urgency"),
    [
        (lose_latest, "tree_absent", "wake"),
        (break_latest, "tree_absent", "wake"),
        (list_latest, "tree_absent", "wake"),
        (lose_version, "tree_absent", "wake"),
        (leave_the_folder, "tree_absent", "wake"),
        (break_index, "tree_absent", "wake"),
        (change_index, "file_damaged", "wake"),
        (lose_file, "file_damaged", "wake"),
        (flip_byte, "file_damaged", "wake"),
        (cut_file, "file_damaged", "wake"),
        (empty_file, "file_damaged", "wake"),
        (link_file, "file_damaged", "wake"),
        (break_json, "file_damaged", "wake"),
        (break_csv, "file_damaged", "wake"),
        (break_feed, "file_damaged", "wake"),
        (empty_netcdf, "file_damaged", "wake"),
        (name_no_files, "file_damaged", "wake"),
        (add_file, "file_added", "tomorrow"),
        (add_message, "message_damaged", "wake"),
        (lose_city, "city_absent", "wake"),
        (lose_hazard, "city_absent", "wake"),
        (lose_page_of_city, "city_absent", "wake"),
        (lower_in_one_file, "files_differ", "wake"),
        (miscount, "files_differ", "wake"),
        (lose_message, "message_damaged", "wake"),
        (cut_message, "message_damaged", "wake"),
        (make_actual, "message_damaged", "wake"),
        (replace_message, "message_damaged", "wake"),
        (drop_message_of_level, "message_damaged", "wake"),
        (make_floods_unknown, "floods_unknown", "wake"),
        (make_some_unknown, "levels_unknown", "tomorrow"),
        (make_droughts_unknown, "levels_unknown", "tomorrow"),
        (measure_unsigned, "signature_wrong", "wake"),
        (sign_by_name_alone, "signature_unchecked", "tomorrow"),
    ],
)
def test_each_damage_is_found_and_the_tree_stays(
    night: Settings, damage: Callable[[Path], None], code: str, urgency: str
) -> None:
    published = night.published_dir
    damage(published)
    before = {path: path.lstat().st_mtime_ns for path in published.rglob("*")}
    inspection = inspect(published)
    found = {finding.code: finding for finding in inspection.findings}
    assert code in found
    assert found[code].urgency == urgency
    assert found[code].text
    assert inspection.good == (urgency == "tomorrow")
    assert {path: path.lstat().st_mtime_ns for path in published.rglob("*")} == before


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    for published in (tmp_path, tmp_path / "none"):
        assert codes(inspect(published)) == {"tree_absent"}


def test_the_age_is_that_of_the_night(night: Settings) -> None:
    published = night.published_dir
    later = ISSUED + timedelta(minutes=1)
    assert codes(inspect(published, oldest=later)) == {"tree_old"}
    assert codes(inspect(published, now=ISSUED - timedelta(hours=1))) == {"tree_future"}
    assert codes(inspect(published, now=ISSUED - timedelta(minutes=5))) == set()


def test_a_city_that_has_joined_the_tables_is_missed(night: Settings) -> None:
    known = {*places.cities("mekong", asof=NOW), "new_town"}
    [finding] = inspect(night.published_dir, cities=known).findings
    assert finding.text == (
        "new_town: no drought; new_town: no flood; new_town: no cities/new_town.json"
    )


def test_many_faults_are_one_finding(night: Settings) -> None:
    for path in sorted((newest(night.published_dir) / "cities").iterdir())[:10]:
        path.unlink()
    texts = [one.text for one in inspect(night.published_dir).findings if one.code != "city_absent"]
    [text] = texts
    assert text.endswith("; and 7 more")


def put_yesterday(published: Path, *, alerts: int, days: int = 1) -> None:
    """Lay out the alerts of a night before."""
    folder = published / f"{ISSUED - timedelta(days=days):%Y%m%dT%H%MZ}"
    folder.mkdir()
    features = [{"properties": {"level_in_force": "watch"}}] * alerts
    features += [{"properties": {"level_in_force": "none"}}] * (80 - alerts)
    (folder / "alerts.geojson").write_text(json.dumps({"features": features}))


def keep_in_force(published: Path, number: int) -> None:
    """Leave so many alerts of the tree in force."""
    rows = iter(range(100))
    rewrite_alerts(
        published,
        lambda row: row.update(level_in_force="watch" if next(rows) < number else "none"),
    )


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [(4, 0, set()), (5, 0, {"alerts_fell"}), (20, 11, set()), (20, 10, {"alerts_fell"})],
)
def test_a_fall_of_alerts_wakes_somebody(
    night: Settings, before: int, now: int, found: set[str]
) -> None:
    keep_in_force(night.published_dir, now)
    put_yesterday(night.published_dir, alerts=before)
    inspection = inspect(night.published_dir)
    assert codes(inspection) == found
    assert inspection.good == (not found)


@pytest.mark.parametrize(
    ("raised", "before", "found"),
    [(10, 0, {"alerts_rose"}), (9, 0, set()), (20, 10, set()), (30, 10, {"alerts_rose"})],
)
def test_a_rise_of_alerts_is_told(
    night: Settings, raised: int, before: int, found: set[str]
) -> None:
    keep_in_force(night.published_dir, raised)
    put_yesterday(night.published_dir, alerts=before)
    assert codes(inspect(night.published_dir)) == found


def test_nights_far_apart_are_not_compared(night: Settings) -> None:
    put_yesterday(night.published_dir, alerts=30, days=2)
    assert codes(inspect(night.published_dir)) == set()


def test_a_damaged_yesterday_is_named(night: Settings) -> None:
    put_yesterday(night.published_dir, alerts=30)
    next(night.published_dir.glob("20260819*/alerts.geojson")).write_text("{")
    assert codes(inspect(night.published_dir)) == {"alerts_fell"}


def test_signatures_are_checked_by_pinned_keys(night: Settings) -> None:
    keys, others = keys_of("A"), keys_of("B")
    published = night.published_dir
    assert codes(inspect(published, public=keys.public)) == {"signature_wrong"}, "unsigned"
    publish_again(night, keys)
    assert codes(inspect(published, public=keys.public)) == set()
    replace_watch(published, b'{"asof": "2026-08-20T01:15:00Z"}', asof=NOW, keys=keys)
    assert codes(inspect(published, public=keys.public)) == set(), "the watch has its own signature"
    assert codes(inspect(published, public=others.public)) == {"signature_wrong"}
    assert codes(inspect(published)) == {"signature_unchecked"}


def test_the_issue_time_is_read_alone(night: Settings, tmp_path: Path) -> None:
    assert read_issue_time(night.published_dir) == ISSUED
    for damage in ("", "[]", "{}", '{"issue_time": 3}', '{"issue_time": "2026-08-20T00:30:00"}'):
        (tmp_path / "latest.json").write_text(damage)
        assert read_issue_time(tmp_path) is None
    assert read_issue_time(tmp_path / "none") is None
