"""Published trees that go, and the files of the root that stay."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.exchange.old_versions import list_old_versions, remove_versions
from pipeline.exchange.publication import RECENT, publish_tree
from tests.alerts.alert_cases import T0
from tests.exchange.test_publication import read, read_latest, tree

NIGHTS = RECENT + 3


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Fill a folder with a tree of each night, and two of the first."""
    publish_tree(tree("first", T0), folder=tmp_path, issue_time=T0)
    for night in range(NIGHTS):
        when = T0 + timedelta(days=night)
        publish_tree(tree(f"n{night}", when), folder=tmp_path, issue_time=when)
    return tmp_path


def test_old_trees_go_with_their_links(published: Path) -> None:
    newest = read_latest(published)
    old = list_old_versions(published, before=T0 + timedelta(days=2))
    assert len(old) == 3
    links = sorted(path for path in published.iterdir() if path.is_symlink())
    remove_versions(published, old)
    assert list_old_versions(published, before=T0 + timedelta(days=2)) == []
    left = sorted(path for path in published.iterdir() if path.is_symlink())
    assert left == links[2:]
    assert all(link.resolve(strict=True).is_dir() for link in left)
    assert read_latest(published) == newest
    assert (published / "alerts.csv").read_bytes() == newest["alerts.csv"]
    assert len(list((published / "versions").iterdir())) == NIGHTS - 2


def test_the_newest_trees_stay_however_old(published: Path) -> None:
    old = list_old_versions(published, before=T0 + timedelta(days=9999))
    assert len(old) == NIGHTS + 1 - RECENT


def test_the_tree_of_the_root_stays(published: Path) -> None:
    newest = max((published / "versions").iterdir()).name
    for night in range(RECENT + 1):  # as if later ones had been brought by hand
        later = newest.replace("2026", str(2027 + night))
        shutil.copytree(published / "versions" / newest, published / "versions" / later)
    assert newest not in list_old_versions(published, before=T0 + timedelta(days=9999))


def test_a_removal_that_was_killed_is_completed(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = list_old_versions(published, before=T0 + timedelta(days=2))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            remove_versions(published, old)
    remove_versions(published, list_old_versions(published, before=T0 + timedelta(days=2)))
    assert not list((published / "versions").glob(".*"))
    when = T0 + timedelta(days=NIGHTS)
    folder = publish_tree(tree("next", when), folder=published, issue_time=when)
    assert read(folder)["alerts.csv"] == b"next"
