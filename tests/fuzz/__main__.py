"""Read at least 3,000 mutated grid files and 3,000 texts; write docs/fuzzing.md.

python3 make.py fuzz
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.settings import ROOT
from tests.fuzz.run import RANDOM_SEED, fuzz
from tests.fuzz.seeds import grids, texts

WHOLE = 3200
"""Mutations of each of the two groups of files, at least."""
KINDS = "read", "rejected", "passed over", "killed"
HEAD = f"""# Mutated files

Made by `python3 make.py fuzz`, with the seed {RANDOM_SEED}: sound files of every layout are damaged
(bytes, structure, attributes, cells, encodings) and read as a night reads them, in a child process.
A file is read, rejected with its reason, or passed over; *killed* is one that its child did not
survive or that took longer than it may, which is a rejection as well. No error but the reader's own
came out, and no value outside its variable's range was believed.

| source | file | mutations | read | rejected | passed over | killed | longest (s) |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Run all mutations and write the counts; leave with 1 where something was believed."""
    started = time.monotonic()
    rows, faults, total = [], list[str](), Counter[str]()
    with TemporaryDirectory() as folder:
        for group in (grids(Path(folder)), texts()):
            for seed in group:
                count = -(-WHOLE // len(group))
                outcome = fuzz(seed, count, Path(folder))
                total.update(outcome.counts)
                faults += outcome.faults
                words = " | ".join(str(outcome.counts[key]) for key in KINDS)
                words = f"{count} | {words}"
                rows.append(f"| {seed.source} | {seed.name} | {words} | {outcome.longest_s:.1f} |")
                print(rows[-1], flush=True)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{total.total()} files, {len(faults)} faults, {time.monotonic() - started:.0f} s")
    if faults:
        sys.exit(1)
    (ROOT / "docs" / "fuzzing.md").write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
