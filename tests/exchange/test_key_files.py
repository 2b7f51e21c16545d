"""Files of keys: made, rotated, cut, and read by another's tool."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.exchange import key_files, keys
from pipeline.exchange.keys import BadKeys, load_keys
from pipeline.settings import Settings
from tests.exchange.key_cases import keys_of, pem

NOW = datetime.now(UTC)


def test_a_new_file_is_its_owners_alone_and_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys.pem"
    made = key_files.create_keys(path, "ກົມອຸຕຸ")
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    with pytest.raises(BadKeys, match="expected no such file, found one; it is not overwritten"):
        key_files.create_keys(path, "B")
    assert path.read_bytes() == before
    loaded = load_keys(Settings(signing_keys=path))
    assert loaded is not None
    assert loaded.public == made.public
    assert keys.name_of(loaded.certificate) == "ກົມອຸຕຸ"
    assert loaded.rsa.key_size == 3072
    assert loaded.certificate.not_valid_after_utc - NOW > timedelta(days=5 * 365 - 2)
    assert load_keys(Settings()) is None


def test_openssl_reads_the_file_and_agrees_on_the_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "public.pem"
    key_files.write_public(path, keys_of("A").public)
    command = ["openssl", "x509", "-in", str(path), "-noout", "-fingerprint", "-sha256"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip().partition("=")[2] == keys.fingerprint(keys_of("A").certificate)
    self_signed = keys_of("A").certificate
    self_signed.verify_directly_issued_by(self_signed)


def test_a_rotation_puts_new_keys_first_and_keeps_the_old(tmp_path: Path) -> None:
    path = tmp_path / "keys.pem"
    old = key_files.create_keys(path, "A")
    text = path.read_text()
    new = key_files.rotate_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().endswith(text)
    assert [file.name for file in tmp_path.iterdir()] == ["keys.pem"], "no draft stays"
    assert new.certificates[1:] == old.certificates
    assert new.public.ed25519[1:] == old.public.ed25519
    assert new.rsa.public_key() == new.certificate.public_key() != old.rsa.public_key()
    assert keys.name_of(new.certificate) == "A"
    assert keys.read_keys(path).public == new.public
    head = path.read_text().split("# Keys of ")[1]
    assert keys.parse_keys(head, "head").certificates == (new.certificate,), (
        "the old pair can be cut off"
    )


def test_the_public_part_is_what_receivers_read(tmp_path: Path) -> None:
    path, secret = tmp_path / "public.pem", tmp_path / "keys.pem"
    public = keys_of("A", "B").public
    before = os.umask(0o077)
    try:
        key_files.write_public(path, public)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644, "whatever the umask is"
    assert "PRIVATE" not in path.read_text()
    assert keys.read_public(path) == keys.read_any_public(path) == public
    with pytest.raises(BadKeys, match="expected no such file, found one"):
        key_files.write_public(path, public)
    secret.write_text(pem("A"))
    secret.chmod(0o600)
    assert keys.read_any_public(secret) == keys_of("A").public
    with pytest.raises(BadKeys, match="expected the public part, found private keys"):
        keys.read_public(secret)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a" * 65])
def test_a_name_fits_a_certificate(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadKeys, match="expected a name of 1 to 64 bytes in one line"):
        key_files.create_keys(tmp_path / "keys.pem", name)
    assert list(tmp_path.iterdir()) == []
