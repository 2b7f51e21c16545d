"""Each kind of faults of ``python3 make.py faults``, for ``FAULTS_MINUTES``."""

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
@pytest.mark.skipif("FAULTS_MINUTES" not in os.environ, reason="FAULTS_MINUTES is not set")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_fault_of_a_kind_leaves_anything_wrong(kind: str, stores: Path) -> None:
    """In a process of its own: it forks, which one with the threads of other tests must not."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults", kind, "--jobs", "1"),
            *("--minutes", os.environ["FAULTS_MINUTES"]),
            *("--seed", "1", "--folder", str(stores)),
        ],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (count,) = re.findall(r"^(\d+) trials, 0 with a fault", done.stdout, re.MULTILINE)
    assert int(count) > 0
