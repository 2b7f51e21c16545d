"""Keys, a small message and a small signed tree for the tests of signatures."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from pipeline.alerts import cap
from pipeline.exchange.key_files import create_keys
from pipeline.exchange.keys import SigningKeys, load_keys
from pipeline.exchange.signatures import sign_detached, sign_message
from pipeline.settings import Settings

SMALL = (
    f"<?xml version='1.0' encoding='UTF-8'?>\n<alert xmlns=\"{cap.NAMESPACE}\">"
    "<identifier>mekong-1</identifier><info><event>ນໍ້າຖ້ວມ &amp; rain</event></info></alert>"
).encode()
"""A message that is short enough to change each of its bytes."""
VERSION = "versions/20260820T0030Z-1"


@cache
def pem(name: str) -> str:
    """Content of a new file of keys."""
    with TemporaryDirectory() as folder:
        create_keys(Path(folder) / "keys.pem", name)
        return (Path(folder) / "keys.pem").read_text()


@cache
def keys_of(*names: str) -> SigningKeys:
    """Keys of one file by the names of their pairs, the newest first."""
    keys = load_keys(Settings(signing_keys_pem=SecretStr("".join(map(pem, names)))))
    assert keys is not None
    return keys


def write_tree(root: Path, keys: SigningKeys, message: bytes = SMALL) -> Path:
    """Write a published folder with one version: a signed message and a table."""
    signed = sign_message(message, keys)
    files = {"cap/en/a.xml": signed, "alerts.csv": b"city,level\npakse,none\n"}
    entries = {
        name: {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "media_type": "text/csv",
        }
        for name, content in files.items()
    }
    index = json.dumps({"expires_at": "2026-08-21T06:00:00Z", "files": entries}).encode()
    latest = json.dumps(
        {
            "version": "1",
            "path": VERSION,
            "index": f"{VERSION}/index.json",
            "index_sha256": hashlib.sha256(index).hexdigest(),
        }
    ).encode()
    files |= {"index.json": index, "index.json.sig": sign_detached(index, keys)}
    tree = {f"{VERSION}/{name}": content for name, content in files.items()}
    tree |= {"latest.json": latest, "latest.json.sig": sign_detached(latest, keys)}
    for name, content in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root
