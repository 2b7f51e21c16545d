"""Check what was published against its signatures and digests, file by file, as a receiver does."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.exchange.keys import PublicKeys
from pipeline.exchange.publication import OWN, VERSIONS
from pipeline.exchange.signatures import BadSignature, verify_detached, verify_message

INDEX, LATEST = "index.json", "latest.json"
SIGNATURE = ".sig"
"""Ending of the file of signatures beside a file."""


@dataclass(frozen=True)
class CheckedTree:
    """What was checked of a published tree and is as it was signed.

    Parameters
    ----------
    folder
        Folder of the version.
    files
        Number of files that its index names.
    messages
        Number of signed CAP messages among them.
    signed_by
        Fingerprints of the keys that signed, in order.
    expires_at
        When the index says that the tree is outdated, as it is written; None where it does not.
    """

    folder: Path
    files: int
    messages: int
    signed_by: tuple[str, ...]
    expires_at: str | None


def verify_tree(folder: Path, public: PublicKeys) -> CheckedTree:
    """Verify a published tree: signatures, digests, and that nothing else lies in it.

    Parameters
    ----------
    folder
        Folder of one version, or the folder of all of them with ``latest.json``: then the version
        that it names.
    public
        Keys that the receiver has pinned.

    Raises
    ------
    BadSignature
        The first fault: the file, what was expected and what was found.
    """
    signed_by = set[str]()
    root, expected = folder, None
    if (folder / LATEST).exists():
        content, by = _verify_beside(folder, LATEST, public)
        signed_by.add(by)
        latest = _parse(content, LATEST)
        path, index = (_inner(latest.get(key), LATEST, key) for key in ("path", "index"))
        if index != path / INDEX:
            raise BadSignature(f"{LATEST}: expected the index {path / INDEX}, found {index}")
        root, expected = folder / path, str(latest.get("index_sha256"))
    content, by = _verify_beside(root, INDEX, public)
    signed_by.add(by)
    digest = hashlib.sha256(content).hexdigest()
    if expected is not None and digest != expected:
        raise BadSignature(
            f"{root.relative_to(folder) / INDEX}: expected SHA-256 {expected} of {LATEST}, found "
            f"{digest}"
        )
    index_of_tree = _parse(content, INDEX)
    files = index_of_tree.get("files")
    if not isinstance(files, dict):
        raise BadSignature(f"{INDEX}: expected files, found none")
    if others := sorted(_list_files(root) - {*files, INDEX, f"{INDEX}{SIGNATURE}"}):
        raise BadSignature(f"{others[0]}: expected files that the index names, found another")
    contents = {name: _read_file(root, name, entry) for name, entry in sorted(files.items())}
    if root != folder:
        _check_addresses(folder, contents)
    messages = [name for name in contents if name.startswith("cap/") and name.endswith(".xml")]
    for name in messages:
        try:
            signed_by.add(verify_message(contents[name], public.certificates))
        except BadSignature as error:
            raise BadSignature(f"{name}: {error}") from None
    expires_at = index_of_tree.get("expires_at")
    return CheckedTree(
        folder=root,
        files=len(files),
        messages=len(messages),
        signed_by=tuple(sorted(signed_by)),
        expires_at=None if expires_at is None else str(expires_at),
    )


def _check_addresses(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Check that the files outside the versions are those of the newest one, and no others."""
    own = {LATEST, f"{LATEST}{SIGNATURE}", *OWN}
    for path in sorted(_list_files(folder) - own):
        first = path.partition("/")[0]
        if first == VERSIONS or (folder / first).is_symlink():
            continue
        if path not in contents:
            raise BadSignature(f"{path}: expected files of the newest version, found another")
        if (folder / path).read_bytes() != contents[path]:
            raise BadSignature(f"{path}: expected the bytes of the newest version, found others")


def verify_file(path: Path, public: PublicKeys) -> str:
    """Verify one file: a CAP message by its own signature, any other by that beside it.

    Parameters
    ----------
    path
        A file that ends in ``.xml``, or one with a file of signatures beside it.
    public
        Keys that the receiver has pinned.

    Returns
    -------
    str
        Fingerprint of the key or certificate.

    Raises
    ------
    BadSignature
        Not signed as it should be.
    """
    if path.suffix != ".xml":
        return _verify_beside(path.parent, path.name, public)[1]
    try:
        return verify_message(path.read_bytes(), public.certificates)
    except BadSignature as error:
        raise BadSignature(f"{path.name}: {error}") from None


def _verify_beside(folder: Path, name: str, public: PublicKeys) -> tuple[bytes, str]:
    """Content of a file whose signatures lie beside it, and the fingerprint of the key."""
    contents = []
    for part in (name, f"{name}{SIGNATURE}"):  # the file first: signatures also fit the one before
        if not (folder / part).is_file():
            raise BadSignature(f"{part}: expected a file in {folder}, found none")
        contents.append((folder / part).read_bytes())
    content, signature = contents
    try:
        return content, verify_detached(content, signature, public.ed25519)
    except BadSignature as error:
        raise BadSignature(f"{name}: {error}") from None


def _parse(content: bytes, name: str) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except ValueError as error:
        raise BadSignature(f"{name}: expected JSON, found: {error}") from None
    if not isinstance(parsed, dict):
        raise BadSignature(f"{name}: expected an object, found {type(parsed).__name__}")
    return parsed


def _inner(path: object, name: str, key: str) -> PurePosixPath:
    """Path that stays in the folder."""
    inner = PurePosixPath(path) if isinstance(path, str) and path else None
    if inner is None or inner.is_absolute() or ".." in inner.parts:
        raise BadSignature(f"{name}: expected {key} inside the folder, found {path!r}")
    return inner


def _read_file(root: Path, name: str, entry: object) -> bytes:
    """Content of a file that is as the index says."""
    path = root / _inner(name, INDEX, "a file")
    if not path.is_file():
        raise BadSignature(f"{name}: expected a file that the index names, found none")
    content = path.read_bytes()
    named = (entry.get("sha256"), entry.get("bytes")) if isinstance(entry, dict) else (None, None)
    actual = (hashlib.sha256(content).hexdigest(), len(content))
    if named != actual:
        raise BadSignature(
            f"{name}: expected SHA-256 {named[0]} of {named[1]} bytes, found {actual[0]} of "
            f"{actual[1]}"
        )
    return content


def _list_files(root: Path) -> set[str]:
    """Everything in a folder but real folders, by its path; links are not followed."""
    paths = set[str]()
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        paths.update((Path(folder) / name).relative_to(root).as_posix() for name in files + links)
    return paths
