"""Files of keys: made, rotated, loaded, refused; no part of a secret leaves them."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import SecretStr, ValidationError

from pipeline.exchange import keys
from pipeline.exchange.key_files import create_keys, make_certificate
from pipeline.exchange.keys import BadKeys, SigningKeys, describe_expiry, load_keys
from pipeline.settings import Settings
from tests.exchange.key_cases import keys_of, pem

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def blocks(name: str) -> list[str]:
    """RSA key, certificate and Ed25519 key of a new file, each with its line feed."""
    parts = pem(name).split("-----BEGIN ")[1:]
    return [f"-----BEGIN {part}" for part in parts]


def load(text: str) -> SigningKeys:
    loaded = load_keys(Settings(signing_keys_pem=SecretStr(text)))
    assert loaded is not None
    return loaded


def private(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, rights: int) -> None:
    path = tmp_path / "keys.pem"
    path.write_text(pem("A"))
    path.chmod(rights)
    with pytest.raises(BadKeys, match=rf"found rights {rights:o}; chmod 600 .*keys\.pem"):
        load_keys(Settings(signing_keys=path))
    path.chmod(0o400)
    assert load_keys(Settings(signing_keys=path)) is not None


def test_keys_that_are_not_what_they_should_be_are_named() -> None:
    key, certificate, ed25519 = blocks("A")
    short = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    short_certificate = make_certificate(short, "A", begin=NOW - DAY, end=NOW + DAY)
    shorts = private(short) + short_certificate.public_bytes(Encoding.PEM).decode()
    cases = {
        "": "whole blocks of PEM, found none",
        pem("A")[:-40]: "found a block that is cut off",
        key + certificate: "private keys of RSA and Ed25519, found 1 and 0",
        certificate + ed25519: "private keys of RSA and Ed25519, found 0 and 1",
        key + ed25519: "RSA keys of 3072 bit or more with a certificate each, found one of 3072 "
        "bit with 0",
        key + certificate * 2 + ed25519: "found one of 3072 bit with 2",
        key + blocks("B")[1] + ed25519: "found one of another key, of B",
        pem("A") + blocks("B")[1]: "found one of another key, of B",
        shorts + ed25519: "of an RSA key of 3072 bit or more, found 2048 bit",
        private(short) + ed25519: "found one of 2048 bit with 0",
        pem("A") + private(ec.generate_private_key(ec.SECP256R1())): "found another kind",
        pem("A").replace("PRIVATE KEY", "RSA PRIVATE KEY"): r"\(PKCS#8, no password\) and "
        "CERTIFICATE, found RSA PRIVATE KEY",
        key.replace("MII", "MIJ", 1) + certificate + ed25519: "private key, found a damaged one",
        key + certificate.replace("MII", "MIJ", 1) + ed25519: "certificate, found a damaged one",
    }
    for text, message in cases.items():
        with pytest.raises(BadKeys, match=rf"^MEKONG_SIGNING_KEYS_PEM: expected .*{message}"):
            load(text)
    locked = keys_of("A").rsa.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    with pytest.raises(BadKeys, match="found ENCRYPTED PRIVATE KEY"):
        load(locked.decode() + certificate + ed25519)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (61, ""),
        (60, "the certificate expires on 2031-01-01"),
        (-1, "the certificate has expired on 2031-01-01"),
    ],
)
def test_an_expiring_certificate_is_told_and_signs_nevertheless(days: int, expected: str) -> None:
    key, _, ed25519 = blocks("A")
    end = datetime(2031, 1, 1, tzinfo=UTC)
    certificate = make_certificate(keys_of("A").rsa, "A", begin=end - 400 * DAY, end=end)
    loaded = load(key + certificate.public_bytes(Encoding.PEM).decode() + ed25519)
    assert loaded.certificate == certificate
    told = describe_expiry(loaded, asof=end - days * DAY)
    assert told == (f"signing keys: {expected}; mekong keys new FILE --rotate" if expected else "")


def test_measured_data_need_keys() -> None:
    assert load_keys(Settings()) is None
    with pytest.raises(BadKeys, match=r"found none; make them once \(mekong keys new FILE"):
        load_keys(Settings(), required=True)


def test_files_that_are_no_keys_are_named(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none", "found none"), (tmp_path, "found a folder")):
        with pytest.raises(BadKeys, match=f"expected a file of keys, {message}"):
            load_keys(Settings(signing_keys=path))
        with pytest.raises(BadKeys, match=f"expected a file of public keys, {message}"):
            keys.read_public(path)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    binary.chmod(0o600)
    with pytest.raises(BadKeys, match="expected PEM, found a file that is no text"):
        keys.read_keys(binary)
    with pytest.raises(BadKeys, match="expected its folder, found none"):
        create_keys(tmp_path / "no" / "keys.pem", "A")
    binary.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(BadKeys, match="expected an Ed25519 key, found a damaged one"):
        keys.read_public(binary)
    binary.write_text("-----BEGIN X-----\n-----END X-----\n")
    with pytest.raises(BadKeys, match="expected certificates and Ed25519 keys, found none"):
        keys.read_public(binary)


def test_no_part_of_a_secret_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    secret = "".join(blocks("A")[0].splitlines()[1:-1])[200:260]
    text = pem("A").replace("\n", "")  # as a variable may hold it
    settings = Settings(signing_keys_pem=SecretStr(pem("A")))
    shown = [repr(settings), str(settings), settings.model_dump_json(), repr(keys_of("A"))]
    monkeypatch.setenv("MEKONG_SIGNING_KEYS_PEM", text)
    shown.append(repr(Settings()))
    for wrong in ({"MEKONG_SIGNING_KEYS": "x"}, {"MEKONG_ALERT_STATUS": "Actual"},
                  {"MEKONG_SIGNING_KEYS": text}, {"MEKONG_SEED": "x"}):  # fmt: skip
        with pytest.MonkeyPatch.context() as patch, pytest.raises(ValidationError) as raised:
            for name, value in wrong.items():
                patch.setenv(name, value)
            Settings()
        shown += [str(raised.value), repr(raised.value.errors())]
    (tmp_path / "mekong.toml").write_text(f"signing_keys_pem = ['{text}']\nseed = 'x'\n")
    monkeypatch.delenv("MEKONG_SIGNING_KEYS_PEM")
    with pytest.raises(ValidationError) as raised:
        Settings()
    shown += [str(raised.value), repr(raised.value.errors())]
    (tmp_path / "mekong.toml").unlink()
    for spoilt in (text[:-9], text.replace(secret, secret[1:]), text.replace("MII", "MIJ")):
        with pytest.raises(BadKeys) as bad:
            load(spoilt)
        shown += traceback.format_exception(bad.value)
    assert len(shown) > 15
    assert secret in text
    assert not [line for line in shown if secret[:20] in line or secret[-20:] in line]


def test_keys_are_in_one_place() -> None:
    with pytest.raises(ValidationError, match="expected signing_keys or signing_keys_pem, found"):
        Settings(signing_keys=Path("x"), signing_keys_pem=SecretStr("x"))
    with pytest.raises(ValidationError, match="expected the path of a file, found keys"):
        Settings(signing_keys=Path(pem("A")))
