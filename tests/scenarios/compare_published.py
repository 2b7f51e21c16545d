"""Compare the published trees of two versions of the code, the archive's snapshot id masked.

Each version runs the flood, the next morning, the drought and the quiet night once, then the trees
are compared byte for byte:

    python -m tests.scenarios.compare_published run FOLDER        # with each version checked out
    python -m tests.scenarios.compare_published compare BEFORE AFTER
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from pipeline import steps
from pipeline.virtual.basin import VirtualBasin
from pipeline.virtual.night import lay_out_history
from tests.scenarios import nights

MASK = b"<snapshot>"
BATCH = re.compile(rb'(records_batch(?:</valueName>\s*<value>|": ?))\d+')
"""Number of the last ingest, in messages and JSON: an ingest that is tried twice counts twice."""


def run_nights(folder: Path) -> None:
    """Train on the virtual basin's history and publish the four nights below a folder."""
    settings = nights.settings_in(folder)
    new_year = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    basin = VirtualBasin(settings.seed, settings.data_dir / "virtual")
    lay_out_history(basin, new_year, settings.upstream_dir)
    steps.prepare(asof=new_year, settings=settings)
    for issue_time in (nights.FLOOD, nights.NEXT_MORNING, nights.DROUGHT, nights.QUIET):
        nights.whole_night(settings, issue_time)


def masked_files(published: Path, *, batch: bool = False) -> dict[str, bytes]:
    """Content by path of every published file, the snapshot id of its own night masked.

    On request the number of the last ingest is masked too.
    """

    def mask(content: bytes, masks: dict[bytes, bytes]) -> bytes:
        replaced = _replace(content, masks)
        return BATCH.sub(rb"\1<batch>", replaced) if batch else replaced

    contents = {}
    indices = sorted(published.glob("2*/index.json"))
    if not indices:
        raise FileNotFoundError(f"{published}: expected published nights, found none")
    for index in indices:
        tree = index.parent
        told = json.loads(index.read_bytes())
        digests = {told["archive_snapshot"].encode(): MASK}
        # A digest depends on the snapshot too: of messages in their proofs, of files in the index.
        paths = [path for path in tree.rglob("*") if path.is_file() and path != index]
        for path in sorted(paths, key=lambda path: (path.parent.name == "proof", path)):
            content = path.read_bytes()
            masked = mask(content, digests)
            if masked != content:
                digests[_digest(content)] = _digest(masked)
            contents[path.relative_to(published).as_posix()] = masked
        digests[told.get("version", "").rpartition("-")[2].encode()] = b"<version>"
        contents[index.relative_to(published).as_posix()] = mask(index.read_bytes(), digests)
    return contents


def _replace(content: bytes, masks: dict[bytes, bytes]) -> bytes:
    for found, mask in masks.items():
        if found:
            content = content.replace(found, mask)
    return content


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def differences(before: Path, after: Path, *, batch: bool = False) -> list[str]:
    """Name every file that is in one of two published folders alone or differs; see above."""
    old, new = (masked_files(published, batch=batch) for published in (before, after))
    only = [f"only before: {name}" for name in sorted(old.keys() - new.keys())]
    only += [f"only after: {name}" for name in sorted(new.keys() - old.keys())]
    both = sorted(old.keys() & new.keys())
    return [*only, *(f"differs: {name}" for name in both if old[name] != new[name])]


def main(arguments: list[str]) -> int:
    """Run the nights, or compare two folders; 3 where they differ."""
    match arguments:
        case ["run", folder]:
            run_nights(Path(folder))
            return 0
        case ["compare", before, after]:
            found = differences(Path(before) / "published", Path(after) / "published")
            count = len(masked_files(Path(before) / "published"))
            print("\n".join(found) or f"the same {count} files")  # noqa: T201
            return 3 if found else 0
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
