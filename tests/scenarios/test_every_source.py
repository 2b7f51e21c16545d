"""The table of sources: what it imports, its modules, and the granules of every row."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.sources import SOURCES

T0 = datetime(2024, 8, 1, tzinfo=UTC)


def test_the_table_imports_nothing_heavy() -> None:
    code = (
        "import sys, pipeline.sources;"
        "print(sorted({'xarray','pandas','numpy','h5py'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_row_names_a_module_with_both_functions() -> None:
    for source in SOURCES.values():
        module = source.load()
        assert callable(module.read)
        found = list(module.granules(source.id, T0 - timedelta(days=400), T0, T0))
        assert found or source.id == "geoglows", "which asks for nothing until rivers are named"
        assert {g.source for g in found} <= {source.id}
        assert all(g.start < g.end <= T0 + source.ahead for g in found), source.id


@pytest.mark.parametrize(
    ("source", "hours", "count"),
    [("imerg_late", 24, 48), ("imerg_early", 2, 4), ("imerg_daily", 72, 3), ("gk2a", 5, 30),
     ("smap", 48, 2), ("smap_l3", 48, 2), ("gldas", 24, 8), ("floodmap", 72, 3), ("lis", 24, 8)],
)  # fmt: skip
def test_granules_tile_the_interval(source: str, hours: int, count: int) -> None:
    module = SOURCES[source].load()
    end = T0 + timedelta(hours=hours)
    found = list(module.granules(source, T0, end, end + timedelta(days=9)))
    assert len(found) == count
    assert len({g.pattern for g in found}) == count
    assert not list(module.granules(source, T0, end, T0)), "named before it had ended"
    split = T0 + timedelta(hours=hours / 3 + 0.1)
    parts = [
        *module.granules(source, T0, split, end + timedelta(days=9)),
        *module.granules(source, split, end, end + timedelta(days=9)),
    ]
    assert parts == found, "half-open intervals join without loss or overlap"
