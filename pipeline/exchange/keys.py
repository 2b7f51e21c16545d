"""Keys of a signer: one secret PEM file, and the public part that receivers pin.

A pair is an RSA private key with its certificate, for CAP messages, and an Ed25519 private key, for
``index.json`` and ``latest.json``. The newest pair stands first; during a rotation an older one
follows it.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.oid import NameOID
from pydantic_settings import SettingsError

from pipeline.settings import Settings

RSA_BITS = 3072
EXPIRES_SOON = timedelta(days=60)
"""Time before a certificate expires from which nights tell of it."""
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class BadKeys(SettingsError):  # noqa: N818
    """Keys are not what they should be; the message has no part of them."""


@dataclass(frozen=True)
class PublicKeys:
    """Keys that a receiver pins, newest first.

    Parameters
    ----------
    certificates
        Certificates of the RSA keys that sign CAP messages.
    ed25519
        Keys that sign ``index.json`` and ``latest.json``.
    """

    certificates: tuple[x509.Certificate, ...]
    ed25519: tuple[Ed25519PublicKey, ...]


@dataclass(frozen=True)
class SigningKeys:
    """Keys of a signer.

    Parameters
    ----------
    rsa
        Newest RSA key, which signs CAP messages.
    certificates
        Certificates of all its RSA keys, newest first: the first is that of ``rsa``.
    ed25519
        Keys that each sign ``index.json`` and ``latest.json``, newest first.
    """

    rsa: RSAPrivateKey = field(repr=False)
    certificates: tuple[x509.Certificate, ...]
    ed25519: tuple[Ed25519PrivateKey, ...] = field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        """Certificate of the key that signs CAP messages."""
        return self.certificates[0]

    @property
    def public(self) -> PublicKeys:
        """What receivers pin."""
        return PublicKeys(self.certificates, tuple(key.public_key() for key in self.ed25519))


def load_keys(settings: Settings, *, required: bool = False) -> SigningKeys | None:
    """Load the keys that the settings name; None where they name none.

    Those whose certificate has expired sign too: a warning with an old signature is worth more
    than none. :func:`describe_expiry` tells of it in time.

    Parameters
    ----------
    settings
        File or content of the keys.
    required
        Whether there must be keys: what is made from measured data is published signed.

    Raises
    ------
    BadKeys
        Missing or damaged keys, a file that others may read, an RSA key that is too short, or a
        certificate of another key.
    """
    if settings.signing_keys_pem is not None:
        label = "MEKONG_SIGNING_KEYS_PEM"
        keys = parse_keys(settings.signing_keys_pem.get_secret_value(), label)
    elif settings.signing_keys is not None:
        label = str(settings.signing_keys)
        keys = read_keys(settings.signing_keys)
    elif required:
        raise BadKeys(
            "only exercises are published unsigned: expected keys, found none; make them once "
            "(mekong keys new FILE --name NAME) and name the file in MEKONG_SIGNING_KEYS"
        )
    else:
        return None
    return keys


def describe_expiry(keys: SigningKeys, *, asof: datetime) -> str:
    """Say that the certificate of the keys expires soon or has expired; empty otherwise.

    Parameters
    ----------
    keys
        Keys that sign.
    asof
        Moment of the question.
    """
    end = keys.certificate.not_valid_after_utc
    if asof < end - EXPIRES_SOON:
        return ""
    verb = "expires" if asof < end else "has expired"
    return f"signing keys: the certificate {verb} on {end:%Y-%m-%d}; mekong keys new FILE --rotate"


def parse_keys(text: str, label: str) -> SigningKeys:
    """Parse the content of a file of keys.

    Parameters
    ----------
    text
        Blocks of PEM; what stands between them is not read.
    label
        What errors call it.

    Raises
    ------
    BadKeys
        As of :func:`load_keys`, but for the certificate's validity.
    """
    blocks = _split_blocks(text, label)
    if unknown := sorted({kind for kind, _ in blocks} - {"PRIVATE KEY", "CERTIFICATE"}):
        raise BadKeys(
            f"{label}: expected blocks PRIVATE KEY (PKCS#8, no password) and CERTIFICATE, found "
            f"{', '.join(unknown)}"
        )
    rsa, ed25519 = list[RSAPrivateKey](), list[Ed25519PrivateKey]()
    for pem in _of_kind(blocks, "PRIVATE KEY"):
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # its words may hold parts of the key
            raise BadKeys(f"{label}: expected a private key, found a damaged one") from None
        if isinstance(key, RSAPrivateKey):
            rsa.append(key)
        elif isinstance(key, Ed25519PrivateKey):
            ed25519.append(key)
        else:
            raise BadKeys(f"{label}: expected RSA and Ed25519 keys, found another kind")
    certificates = [_load_certificate(pem, label) for pem in _of_kind(blocks, "CERTIFICATE")]
    if not rsa or not ed25519:
        raise BadKeys(
            f"{label}: expected private keys of RSA and Ed25519, found {len(rsa)} and "
            f"{len(ed25519)}"
        )
    publics = [key.public_key() for key in rsa]
    for certificate in certificates:
        if certificate.public_key() not in publics:
            raise BadKeys(
                f"{label}: expected certificates of the file's RSA keys, found one of another key, "
                f"of {name_of(certificate)}"
            )
    ordered = []
    for public in publics:
        of_key = [certificate for certificate in certificates if certificate.public_key() == public]
        if len(of_key) != 1:
            raise BadKeys(
                f"{label}: expected RSA keys of {RSA_BITS} bit or more with a certificate each, "
                f"found one of {public.key_size} bit with {len(of_key)}"
            )
        ordered += of_key
    return SigningKeys(rsa[0], tuple(ordered), tuple(ed25519))


def read_keys(path: Path) -> SigningKeys:
    """Read a file of keys, whose certificate may have expired.

    Raises
    ------
    BadKeys
        As of :func:`load_keys`.
    """
    path = path.expanduser()
    if not path.is_file():
        raise BadKeys(f"{path}: expected a file of keys, found {_kind(path)}")
    with path.open("rb") as stream:
        rights = os.fstat(stream.fileno()).st_mode & 0o777
        if rights & 0o077:
            raise BadKeys(
                f"{path}: expected keys that their owner alone may read, found rights "
                f"{rights:03o}; chmod 600 {path}"
            )
        content = stream.read()
    return parse_keys(_decode(content, str(path)), str(path))


def read_public(path: Path) -> PublicKeys:
    """Read the public part of a signer's keys.

    Raises
    ------
    BadKeys
        No file, private keys in it, or neither a certificate nor an Ed25519 key.
    """
    path = path.expanduser()
    if not path.is_file():
        raise BadKeys(f"{path}: expected a file of public keys, found {_kind(path)}")
    label = str(path)
    blocks = _split_blocks(_decode(path.read_bytes(), label), label)
    if any("PRIVATE" in kind for kind, _ in blocks):
        raise BadKeys(
            f"{path}: expected the public part, found private keys; "
            f"mekong keys show {path} --public OUT writes it"
        )
    certificates = tuple(_load_certificate(pem, label) for pem in _of_kind(blocks, "CERTIFICATE"))
    keys = []
    for pem in _of_kind(blocks, "PUBLIC KEY"):
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise BadKeys(f"{label}: expected an Ed25519 key, found a damaged one") from None
        if not isinstance(key, Ed25519PublicKey):
            raise BadKeys(f"{label}: expected an Ed25519 key, found {type(key).__name__}")
        keys.append(key)
    if not certificates and not keys:
        raise BadKeys(f"{label}: expected certificates and Ed25519 keys, found none")
    return PublicKeys(certificates, tuple(keys))


def read_any_public(path: Path) -> PublicKeys:
    """Read the public part of a file, be it of secret keys or of public ones.

    Raises
    ------
    BadKeys
        As of :func:`read_keys` and :func:`read_public`.
    """
    if path.is_file() and b"PRIVATE KEY-----" in path.read_bytes():
        return read_keys(path).public
    return read_public(path)


def fingerprint(key: x509.Certificate | Ed25519PublicKey | bytes) -> str:
    """SHA-256 of the DER form of a certificate or public key, as ``openssl`` prints it."""
    if isinstance(key, x509.Certificate):
        der = key.public_bytes(Encoding.DER)
    elif isinstance(key, Ed25519PublicKey):
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        der = key
    return hashlib.sha256(der).digest().hex(":").upper()


def name_of(certificate: x509.Certificate) -> str:
    """Name of the authority in a certificate."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def _kind(path: Path) -> str:
    return "a folder" if path.is_dir() else "none"


def _decode(content: bytes, label: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadKeys(f"{label}: expected PEM, found a file that is no text") from None


def _split_blocks(text: str, label: str) -> list[tuple[str, bytes]]:
    """Split PEM into blocks: what each says that it is, and its bytes."""
    blocks = [(match[1], match[0].encode()) for match in _BLOCK.finditer(text)]
    if not blocks or len(blocks) != text.count("-----BEGIN "):
        state = "a block that is cut off" if "-----BEGIN " in text else "none"
        raise BadKeys(f"{label}: expected whole blocks of PEM, found {state}")
    return blocks


def _of_kind(blocks: list[tuple[str, bytes]], kind: str) -> list[bytes]:
    return [pem for other, pem in blocks if other == kind]


def _load_certificate(pem: bytes, label: str) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise BadKeys(f"{label}: expected a certificate, found a damaged one") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < RSA_BITS:
        size = f"{key.key_size} bit" if isinstance(key, RSAPublicKey) else type(key).__name__
        raise BadKeys(
            f"{label}: expected a certificate of an RSA key of {RSA_BITS} bit or more, found {size}"
        )
    return certificate
