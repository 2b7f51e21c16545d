"""The commands ``mekong keys`` and ``mekong verify-signature``."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.exchange.key_files import write_public
from pipeline.exchange.keys import fingerprint, read_keys, read_public
from pipeline.settings import Settings
from tests.command_line import run
from tests.exchange.key_cases import VERSION, keys_of, write_tree


def test_keys_are_made_shown_rotated_and_their_public_part_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, public = tmp_path / "keys.pem", tmp_path / "public.pem"
    assert run(monkeypatch, tmp_path, "keys", "new", str(keys), "--name", "Office of Rivers") == 0
    head, *following = capsys.readouterr().out.splitlines()
    assert head == f"{keys}: keys of Office of Rivers, pair 1 of 1; keep a copy offline"
    assert following == [
        f"next, for receivers: mekong keys show {keys} --public PUBLIC",
        f"next, to sign: MEKONG_SIGNING_KEYS={keys}, once receivers have the new part",
    ]
    assert run(monkeypatch, tmp_path, "keys", "show", str(keys), "--public", str(public)) == 0
    certificate, ed25519, written = capsys.readouterr().out.splitlines()
    made = read_keys(keys).public
    assert certificate.startswith("certificate of Office of Rivers, for CAP messages, valid 20")
    assert certificate.endswith(f", SHA-256 {fingerprint(made.certificates[0])}")
    assert ed25519.endswith(f"latest.json, SHA-256 {fingerprint(made.ed25519[0])}")
    assert written == f"{public}: the public part; tell receivers the fingerprints by another way"
    assert read_public(public) == made
    assert run(monkeypatch, tmp_path, "keys", "show", str(public)) == 0
    assert capsys.readouterr().out.splitlines() == [certificate, ed25519]
    assert run(monkeypatch, tmp_path, "keys", "new", str(keys), "--rotate") == 0
    assert "keys of Office of Rivers, pair 1 of 2" in capsys.readouterr().out
    assert read_keys(keys).public.certificates[1:] == made.certificates


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["keys", "new", "k"], "--name: expected the name of the authority, found none"),
        (["keys", "new", "k", "--rotate"], "k: expected a file of keys, found none"),
        (["keys", "show", "k"], "k: expected a file of public keys, found none"),
        (["verify-signature", "t", "--key", "k"], "expected a folder or file in t, found none"),
        (["verify-signature", ".", "--key", "k"], "k: expected a file of public keys, found none"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    words: list[str], line: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, tmp_path, *words) == 2
    assert capsys.readouterr().err == f"mekong: {line}\n"


def test_a_tree_or_a_file_is_verified_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, public = keys_of("A"), tmp_path / "public.pem"
    write_public(public, keys.public)
    root = write_tree(tmp_path / "published", keys)
    certificate, ed25519 = fingerprint(keys.certificate), fingerprint(keys.public.ed25519[0])

    def verify(path: Path) -> int | str | None:
        return run(monkeypatch, tmp_path, "verify-signature", str(path), "--key", str(public))

    assert verify(root) == 0
    by = ", ".join(sorted([certificate, ed25519]))
    assert capsys.readouterr().out == (
        f"{root / VERSION}: 2 files as in the index, 1 of them signed messages, OUTDATED since "
        f"2026-08-21T06:00:00Z; signed by {by}\n"
    )
    message = root / VERSION / "cap/en/a.xml"
    for path, signer in ((message, certificate), (root / "latest.json", ed25519)):
        assert verify(path) == 0
        assert capsys.readouterr().out == f"{path}: signed by {signer}\n"
    message.write_bytes(message.read_bytes().replace(b"rain", b"Rain"))
    for path, start in (
        (root, "mekong: cap/en/a.xml: expected SHA-256"),
        (message, "mekong: a.xml"),
    ):
        assert verify(path) == 1
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert said.err.startswith(start)


def test_a_run_with_keys_in_two_places_ends_without_showing_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEKONG_SIGNING_KEYS", "keys.pem")
    assert run(monkeypatch, tmp_path, "status", MEKONG_SIGNING_KEYS_PEM="c3VwZXJzZWNyZXQ") == 2
    said = capsys.readouterr()
    assert "expected signing_keys or signing_keys_pem, found both" in said.err
    assert "c3VwZXJzZWNyZXQ" not in said.out + said.err
    monkeypatch.delenv("MEKONG_SIGNING_KEYS")
    assert "c3VwZXJzZWNyZXQ" not in repr(Settings())
