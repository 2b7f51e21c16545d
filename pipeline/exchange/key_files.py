"""Make the files of keys: a new pair, a rotation, and the public part for receivers."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from pipeline.exchange.keys import (
    RSA_BITS,
    BadKeys,
    PublicKeys,
    SigningKeys,
    fingerprint,
    name_of,
    parse_keys,
    read_keys,
)
from pipeline.storage.atomic import OWNER_ONLY_FILE, draft_file

LIFETIME = timedelta(days=5 * 365)
CLOCK_DIFFERENCE = timedelta(days=1)
"""How far the clock of a receiver may be behind that of the signer."""
LONGEST_NAME = 64
"""Most bytes of a common name in a certificate."""


def create_keys(path: Path, name: str) -> SigningKeys:
    """Make a pair of keys and write it to a new file, which its owner alone may read.

    Parameters
    ----------
    path
        File that does not exist yet, in an existing folder.
    name
        Name of the authority, for the certificate.

    Raises
    ------
    BadKeys
        The file exists, its folder does not, or the name is no name of a certificate.
    """
    path = path.expanduser()
    text = _make_pair(name)
    keys = parse_keys(text, str(path))
    _write_new(path, text, OWNER_ONLY_FILE)
    return keys


def rotate_keys(path: Path, name: str | None = None) -> SigningKeys:
    """Put a new pair of keys before those of a file.

    Parameters
    ----------
    path
        File of keys.
    name
        Name of the authority; default that of its newest certificate.

    Raises
    ------
    BadKeys
        As of :func:`read_keys`.
    """
    old = read_keys(path)
    path = path.expanduser().resolve()
    text = _make_pair(name or name_of(old.certificate)) + path.read_text(encoding="utf-8")
    keys = parse_keys(text, str(path))
    with draft_file(path) as draft:
        _write_new(draft, text, OWNER_ONLY_FILE)
    return keys


def write_public(path: Path, keys: PublicKeys) -> None:
    """Write what receivers pin to a new file.

    Raises
    ------
    BadKeys
        The file exists, or its folder does not.
    """
    parts = []
    for certificate in keys.certificates:
        parts.append(
            f"# {name_of(certificate)}, CAP messages, SHA-256 {fingerprint(certificate)}\n"
        )
        parts.append(certificate.public_bytes(Encoding.PEM).decode())
    for key in keys.ed25519:
        parts.append(f"# index.json and latest.json, SHA-256 {fingerprint(key)}\n")
        parts.append(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    _write_new(path.expanduser(), "".join(parts), 0o644)


def make_certificate(
    key: RSAPrivateKey, name: str, *, begin: datetime, end: datetime
) -> x509.Certificate:
    """Make the self-signed certificate of an RSA key.

    Parameters
    ----------
    key
        The key.
    name
        Name of the authority.
    begin, end
        Validity, aware.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _make_pair(name: str) -> str:
    """Make a pair of keys, as PEM below a line that names it."""
    size = len(name.encode())
    if not name.strip() or not name.isprintable() or size > LONGEST_NAME:
        raise BadKeys(f"expected a name of 1 to {LONGEST_NAME} bytes in one line, found {size}")
    rsa = generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    ed25519 = Ed25519PrivateKey.generate()
    made = datetime.now(UTC)
    begin = made - CLOCK_DIFFERENCE
    certificate = make_certificate(rsa, name, begin=begin, end=begin + LIFETIME)
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem = rsa.private_bytes(*form) + certificate.public_bytes(Encoding.PEM)
    pem += ed25519.private_bytes(*form)
    return f"# Keys of {name}, made {made:%Y-%m-%d}: secret\n{pem.decode()}"


def _write_new(path: Path, text: str, rights: int) -> None:
    """Write a file that must not exist yet, with its rights from the first byte on."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, rights)
    except FileExistsError:
        raise BadKeys(f"{path}: expected no such file, found one; it is not overwritten") from None
    except FileNotFoundError:
        raise BadKeys(f"{path}: expected its folder, found none") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), rights)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink()
        raise
