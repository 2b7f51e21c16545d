"""A published tree is checked as a receiver does: any byte that is flipped is found."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from pipeline.exchange.keys import PublicKeys, fingerprint
from pipeline.exchange.signatures import BadSignature, sign_detached, sign_message
from pipeline.exchange.tree_check import verify_file, verify_tree
from tests.exchange.key_cases import SMALL, VERSION, keys_of, write_tree

A = keys_of("A")


def sign_again(root: Path, name: str, **entries: object) -> None:
    """Change entries of a JSON file and sign it."""
    content = json.dumps(json.loads((root / name).read_bytes()) | entries).encode()
    (root / name).write_bytes(content)
    (root / f"{name}.sig").write_bytes(sign_detached(content, A))


def test_what_was_checked_is_told(tmp_path: Path) -> None:
    root = write_tree(tmp_path, A)
    tree = verify_tree(root, A.public)
    assert tree.folder == root / VERSION
    assert (tree.files, tree.messages, tree.expires_at) == (2, 1, "2026-08-21T06:00:00Z")
    (public,) = A.public.ed25519
    assert tree.signed_by == tuple(sorted([fingerprint(A.certificate), fingerprint(public)]))
    version = verify_tree(root / VERSION, A.public)
    assert (version.folder, version.files) == (root / VERSION, 2)
    assert verify_file(root / VERSION / "cap/en/a.xml", A.public) == fingerprint(A.certificate)
    assert verify_file(root / "latest.json", A.public) == fingerprint(public)


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    root = write_tree(tmp_path, A)
    flipped = 0
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for position in range(len(content)):
            spoilt = bytearray(content)
            spoilt[position] ^= 1 << position % 8
            path.write_bytes(spoilt)
            with pytest.raises(BadSignature):
                verify_tree(root, A.public)
            flipped += 1
        path.write_bytes(content)
    assert flipped > 3500
    verify_tree(root, A.public)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("latest.json.sig", None, r"latest\.json\.sig: expected a file in .*, found none"),
        (f"{VERSION}/index.json", None, r"index\.json: expected a file in .*, found none"),
        (f"{VERSION}/alerts.csv", None, r"alerts\.csv: expected a file that the index names"),
        (f"{VERSION}/alerts.csv", b"", r"alerts\.csv: expected SHA-256 \w+ of 22 bytes, found"),
        (f"{VERSION}/cap/b.xml", b"", r"cap/b\.xml: expected files that the index names, found"),
        (f"{VERSION}/.x", b"", r"\.x: expected files that the index names, found another"),
    ],
)
def test_a_file_that_is_lost_changed_or_added_is_named(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    root = write_tree(tmp_path, A)
    if content is None:
        (root / name).unlink()
    else:
        (root / name).write_bytes(content)
    with pytest.raises(BadSignature, match=message):
        verify_tree(root, A.public)


def test_a_link_in_a_version_is_an_added_file(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "published", A)
    (tmp_path / "elsewhere").mkdir()
    (root / VERSION / "zz").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadSignature, match="zz: expected files that the index names"):
        verify_tree(root, A.public)


def test_an_older_index_in_place_of_the_newest_is_found(tmp_path: Path) -> None:
    root = write_tree(tmp_path, A)
    sign_again(root / VERSION, "index.json", expires_at="2026-08-20T06:00:00Z")
    assert verify_tree(root / VERSION, A.public).expires_at == "2026-08-20T06:00:00Z"
    with pytest.raises(BadSignature, match=rf"{VERSION}/index\.json: expected SHA-256 \w+ of "):
        verify_tree(root, A.public)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"path": "../x"}, r"expected path inside the folder, found '\.\./x'"),
        ({"path": "/x"}, "expected path inside the folder, found '/x'"),
        ({"path": None}, "expected path inside the folder, found None"),
        ({"index": "index.json"}, f"expected the index {VERSION}/index.json, found index.json"),
    ],
)
def test_a_path_stays_in_the_folder(
    tmp_path: Path, entries: dict[str, object], message: str
) -> None:
    root = write_tree(tmp_path, A)
    sign_again(root, "latest.json", **entries)
    with pytest.raises(BadSignature, match=f"^latest.json: {message}"):
        verify_tree(root, A.public)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "index.json: expected files, found none"),
        ({"../latest.json": {}}, "index.json: expected a file inside the folder"),
        ({"alerts.csv": "digest"}, "alerts.csv: expected SHA-256 None of None bytes, found"),
    ],
)
def test_an_index_without_digests_is_no_proof(tmp_path: Path, files: object, message: str) -> None:
    version = write_tree(tmp_path, A) / VERSION
    shutil.rmtree(version / "cap")
    if files is not None and "alerts.csv" not in str(files):
        (version / "alerts.csv").unlink()
    if files is None:
        (version / "alerts.csv").unlink()
    sign_again(version, "index.json", files=files)
    with pytest.raises(BadSignature, match=message):
        verify_tree(version, A.public)


def test_a_message_of_another_signer_is_found_where_the_index_names_it(tmp_path: Path) -> None:
    root = write_tree(tmp_path, A)
    content = sign_message(SMALL, keys_of("B"))
    (root / VERSION / "cap/en/a.xml").write_bytes(content)
    index = json.loads((root / VERSION / "index.json").read_bytes())
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    sign_again(root / VERSION, "index.json", files=index["files"] | {"cap/en/a.xml": entry})
    with pytest.raises(BadSignature, match=r"^cap/en/a\.xml: expected the certificate"):
        verify_tree(root / VERSION, A.public)
    with pytest.raises(BadSignature, match=r"^a\.xml: expected the certificate"):
        verify_file(root / VERSION / "cap/en/a.xml", A.public)


def test_old_and_new_receivers_verify_in_a_rotation(tmp_path: Path) -> None:
    both = keys_of("B", "A")
    root = write_tree(tmp_path, both)
    assert verify_tree(root, both.public).messages == 1
    assert verify_tree(root, keys_of("B").public).messages == 1, "the new keys alone"
    old = PublicKeys(both.certificates, A.public.ed25519)
    assert verify_tree(root, old).messages == 1
    with pytest.raises(BadSignature, match=r"^cap/en/a\.xml: expected the certificate"):
        verify_tree(root, A.public)
    with pytest.raises(BadSignature, match=r"^latest\.json: expected a signature by"):
        verify_tree(root, keys_of("C").public)


def test_what_is_no_json_is_named(tmp_path: Path) -> None:
    root = write_tree(tmp_path, A)
    for content, message in ((b"{", "expected JSON"), (b"[]", "expected an object, found list")):
        (root / "latest.json").write_bytes(content)
        (root / "latest.json.sig").write_bytes(sign_detached(content, A))
        with pytest.raises(BadSignature, match=f"^latest.json: {message}"):
            verify_tree(root, A.public)
