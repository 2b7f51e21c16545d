"""The commands ``mekong keys`` and ``mekong verify-signature``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    rich_markup_mode="rich",
    help="Make the keys that sign what is published, show them, write their public part. "
    'Example: mekong keys new KEYS --name "Department of Meteorology".',
)


@app.command("new")
def create(
    file: Annotated[Path, typer.Argument(help="File of secret keys; never overwritten.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the authority; with --rotate as before.")
    ] = None,
    *,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Put new keys before those of an existing file.")
    ] = False,
) -> None:
    """Make keys. Example: mekong keys new KEYS --name "Department of Meteorology"."""
    from pipeline.exchange.key_files import create_keys, rotate_keys
    from pipeline.exchange.keys import name_of

    if rotate:
        keys = rotate_keys(file, name)
    elif name is None:
        raise typer.BadParameter("--name: expected the name of the authority, found none")
    else:
        keys = create_keys(file, name)
    number = len(keys.certificates)
    print(f"{file}: keys of {name_of(keys.certificate)}, pair 1 of {number}; keep a copy offline")
    print(f"next, for receivers: mekong keys show {file} --public PUBLIC")
    print(f"next, to sign: MEKONG_SIGNING_KEYS={file.resolve()}, once receivers have the new part")


@app.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="File of secret or of public keys.")],
    public: Annotated[
        Path | None,
        typer.Option("--public", help="Write what receivers need here; never overwritten."),
    ] = None,
) -> None:
    """Show fingerprints and validity. Example: mekong keys show KEYS --public PUBLIC."""
    from pipeline.exchange.key_files import write_public
    from pipeline.exchange.keys import fingerprint, name_of, read_any_public

    keys = read_any_public(file)
    for certificate in keys.certificates:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        print(
            f"certificate of {name_of(certificate)}, for CAP messages, valid {begin:%Y-%m-%d} to "
            f"{end:%Y-%m-%d}, SHA-256 {fingerprint(certificate)}"
        )
    for key in keys.ed25519:
        print(f"Ed25519, for index.json and latest.json, SHA-256 {fingerprint(key)}")
    if public is not None:
        write_public(public, keys)
        print(f"{public}: the public part; tell receivers the fingerprints by another way")


def verify_signature(
    path: Annotated[
        Path,
        typer.Argument(help="Published folder, a version of it, a CAP message, or a signed file."),
    ],
    key: Annotated[Path, typer.Option("--key", help="Public part of the signer's keys.")],
) -> None:
    """Verify what was published. Example: mekong verify-signature TREE --key PUBLIC."""
    from pipeline.exchange.keys import read_public
    from pipeline.exchange.signatures import BadSignature
    from pipeline.exchange.tree_check import verify_file, verify_tree

    if not path.exists():
        raise FileNotFoundError(f"expected a folder or file in {path}, found none")
    public = read_public(key)
    try:
        if not path.is_dir():
            print(f"{path}: signed by {verify_file(path, public)}")
            return
        tree = verify_tree(path, public)
    except BadSignature as error:
        print(f"mekong: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(1) from None
    until = ""
    if tree.expires_at:
        over = datetime.fromisoformat(tree.expires_at) <= datetime.now(UTC)
        until = f", {'OUTDATED since' if over else 'outdated after'} {tree.expires_at}"
    print(
        f"{tree.folder}: {tree.files} files as in the index, {tree.messages} of them signed "
        f"messages{until}; signed by {', '.join(tree.signed_by)}"
    )
