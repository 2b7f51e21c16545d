"""docs/adding-an-index.md, followed to the letter in a copy of the project."""

from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.indices.suite import Index
from pipeline.settings import ROOT
from tests.project.following import begin

LIST = "pipeline/indices/suite.py"
NIGHT = """
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import xarray as xr

from pipeline.exchange.netcdf import write_netcdf
from pipeline.geography import places
from pipeline.indices.daily import fit_reference
from pipeline.issuance.products import compute_risk_indices, mask_impossible
from pipeline.issuance.snapshot import Snapshot
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records

UNITS = {"rain": "mm", "soil_moisture": "m3 m-3", "ndvi": "1", "lst": "K"}


def series(first, zones):
    time = np.arange(first, "2024-09-01", dtype="M8[D]").astype("M8[ns]")
    rng = np.random.default_rng(1)
    rain = rng.gamma(0.4, 12.0, (time.size, len(zones)))
    rain[-4:] = [[0.0], [5.0], [1.0], [40.0]]
    wet = np.cumsum(rain - rain.mean(), axis=0) % 100.0 / 300.0
    values = {"rain": rain, "soil_moisture": 0.1 + wet, "ndvi": 0.3 + wet, "lst": 305 - 10 * wet}
    return xr.Dataset(
        {name: (("time", "zone"), of.astype("f4"), {"units": UNITS[name]})
         for name, of in values.items()},
        {"time": time, "zone": zones},
    )


zones = list(places.zones())
period = {"start": datetime(2004, 1, 1, tzinfo=UTC), "end": datetime(2024, 1, 1, tzinfo=UTC)}
params = {
    name: fitted.isel(zone=np.zeros(len(zones), int)).assign_coords(zone=zones)
    for name, fitted in fit_reference(series("2004-01-01", zones[:1]), **period).items()
}
models = {"drought": SimpleNamespace(parameters=lambda: params)}
record = series("2023-05-01", zones)
archive = Archive(Path("archive"))
known = record["time"].values + np.timedelta64(1, "D")
archive.append("zones", record.assign_coords(available_time=("time", known)), message="made up")
issued = datetime(2024, 9, 1, 0, 30, tzinfo=UTC)
risk = compute_risk_indices(
    Snapshot(archive, Records("sqlite:///records.db"), issued, models, "")
)
content = write_netcdf(
    mask_impossible(risk), title="made up", source="made up", issue_time=issued
)
Path("risk.nc").write_bytes(content)
"""
"""What a night does for its file of risk indices, with made-up series."""


@pytest.mark.slow
def test_the_walk(tmp_path: Path) -> None:
    walk = begin("adding-an-index.md", tmp_path, tests="tests/indices")
    walk.create("pipeline/indices/wet_spells.py", walk.block("python", "The module"))
    imported = walk.block("python", "The import")
    walk.insert(LIST, imported, before="from pipeline.indices.windows import")
    walk.insert(LIST, walk.block("python", "The row"), before=")  # fmt: skip\nDROUGHT = (")
    walk.create("tests/indices/test_wet_spells.py", walk.block("python", "A test"))
    walk.lint("pipeline/indices", "tests")
    assert "2 passed" in walk.test(walk.block("sh", "A test"))
    walk.python(NIGHT)
    printed = walk.python(walk.block("python", "In the published file"))
    assert f"prints `{printed}`" in walk.page


def test_the_page_names_fields_that_rows_have() -> None:
    page = (ROOT / "docs" / "adding-an-index.md").read_text(encoding="utf-8")
    named = {
        "families",
        "inputs",
        "accumulate",
        "window",
        "fit",
        "params",
        "keywords",
        "max_age_days",
    }
    assert named <= {field.name for field in fields(Index)}
    for name in named:
        assert f"`{name}`" in page, name
