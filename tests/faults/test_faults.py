"""A minute of each kind of faults that ``python3 make.py faults`` tries."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import ROOT
from tests.faults.__main__ import KINDS


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the prepared stores, which all kinds share."""
    return tmp_path_factory.mktemp("faults")


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_minute_of_each_kind(kind: str, stores: Path) -> None:
    """In a process of its own: it forks, which one with the threads of other tests must not."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults", kind, "--minutes", "1", "--jobs", "1"),
            *("--seed", "1", "--folder", str(stores)),
        ],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (count,) = re.findall(r"^(\d+) trials, 0 with a fault", done.stdout, re.MULTILINE)
    assert int(count) > 0
