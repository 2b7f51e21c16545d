"""The comparison of published trees sees every difference but the archive's snapshot."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.scenarios import compare_published


def tree(folder: Path, *, snapshot: str, level: str = "watch") -> Path:
    night = folder / "published" / "20260820T0030Z"
    night.mkdir(parents=True)
    message = f"<alert>{level}<archive_snapshot>{snapshot}</archive_snapshot></alert>".encode()
    (night / "a.xml").write_bytes(message)
    proof = json.dumps({"sha256": hashlib.sha256(message).hexdigest()}).encode()
    (night / "proof").mkdir()
    (night / "proof" / "a.json").write_bytes(proof)
    files = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in {"a.xml": message, "proof/a.json": proof}.items()
    }
    version = f"r0-{hashlib.sha256(str(files).encode()).hexdigest()[:16]}"
    index = {"archive_snapshot": snapshot, "files": files, "version": version}
    (night / "index.json").write_text(json.dumps(index))
    (folder / "published" / "latest").symlink_to(night.name)
    return folder


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("watch", "the same 3 files\n"),
        (
            "warning",
            "".join(
                f"differs: 20260820T0030Z/{name}\n"
                for name in ("a.xml", "index.json", "proof/a.json")
            ),
        ),
    ],
)
def test_only_the_snapshot_is_masked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], level: str, expected: str
) -> None:
    before = tree(tmp_path / "before", snapshot="ABC")
    after = tree(tmp_path / "after", snapshot="XYZ", level=level)
    code = compare_published.main(["compare", str(before), str(after)])
    assert capsys.readouterr().out == expected
    assert code == (0 if level == "watch" else 3)


def test_a_file_of_one_tree_alone_is_named(tmp_path: Path) -> None:
    before = tree(tmp_path / "before", snapshot="ABC")
    after = tree(tmp_path / "after", snapshot="ABC")
    (after / "published" / "20260820T0030Z" / "b.csv").write_text("city\n")
    assert compare_published.differences(before / "published", after / "published") == [
        "only after: 20260820T0030Z/b.csv"
    ]


def test_a_folder_without_nights_is_not_the_same(tmp_path: Path) -> None:
    before = tree(tmp_path / "before", snapshot="ABC")
    with pytest.raises(FileNotFoundError, match="expected published nights, found none"):
        compare_published.main(["compare", str(before), str(tmp_path / "after")])


def test_the_number_of_the_last_ingest_is_masked_on_request(tmp_path: Path) -> None:
    folders = [tree(tmp_path / name, snapshot="ABC") for name in ("before", "after")]
    for number, folder in zip((11, 13), folders, strict=True):
        night = folder / "published" / "20260820T0030Z"
        parameter = f"<valueName>records_batch</valueName><value>{number}</value>"
        (night / "b.xml").write_text(parameter)
        (night / "c.json").write_text(json.dumps({"records_batch": number}))
    before, after = (folder / "published" for folder in folders)
    assert len(compare_published.differences(before, after)) == 2
    assert compare_published.differences(before, after, batch=True) == []
