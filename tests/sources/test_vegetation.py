from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.grid import Grid
from pipeline.sources import vegetation
from pipeline.sources.base import BadGranule, locate
from pipeline.virtual.land import viirs_month

MONTH = datetime(2024, 2, 1, tzinfo=UTC)
BOX = Grid(14.0, 15.0, 100.0, 102.0)
FIELD = "HDFEOS/GRIDS/VIIRS_Grid_monthly_VI_CMG/Data Fields/CMG 0.05 Deg monthly NDVI"
QUALITY = FIELD.replace("NDVI", "pixel reliability")


def write(folder: Path, variable: str, values: np.ndarray) -> Path:
    return viirs_month(
        folder, variable=variable, month=MONTH, values=values, grid=BOX,  # type: ignore[arg-type]
        published=datetime(2024, 3, 8, tzinfo=UTC),
    )  # fmt: skip


def test_ndvi_is_the_mean_of_the_good_pixels(tmp_path: Path) -> None:
    path = write(tmp_path, "ndvi", np.full(BOX.shape, 0.5))
    with h5py.File(path, "r+") as file:
        # Cell 14.95 N, 100.05 E: pixels 14.975 and 14.925 N (rows 1500, 1501), column 5600 on.
        file[FIELD][1500:1502, 5600:5602] = [[1000, 2000], [3000, -15000]]
        file[QUALITY][1500:1502, 5600:5602] = [[0, 9], [6, 0]]
        file[QUALITY][1500:1502, 5602:5604] = 9
    ds = vegetation.read(path, BOX)
    assert float(ds["ndvi"][0, 0, 0]) == pytest.approx(0.2)
    assert np.isnan(ds["ndvi"][0, 0, 1])
    assert float(ds["ndvi"][0, 0, 2]) == pytest.approx(0.5)
    assert int(ds["ndvi"].isnull().sum()) == 1
    assert ds["time"].values[0] == np.datetime64("2024-02-01")
    assert ds.attrs == {"version": "002", "origin": "virtual"}


def test_lst_in_kelvin_with_cloud_masked(tmp_path: Path) -> None:
    values = np.full(BOX.shape, 300.0)
    values[2, 2] = np.nan
    ds = vegetation.read(write(tmp_path, "lst", values), BOX)
    np.testing.assert_allclose(ds["lst"][0], values)
    assert ds["lst"].attrs["units"] == "K"


@pytest.mark.parametrize("variable", ["ndvi", "lst"])
def test_granules_find_the_month(tmp_path: Path, variable: str) -> None:
    path = write(tmp_path, variable, np.full(BOX.shape, 290.0 if variable == "lst" else 0.4))
    asof = datetime(2024, 3, 10, tzinfo=UTC)
    start = datetime(2023, 12, 15, tzinfo=UTC)
    january, february = vegetation.granules(variable, start, asof, asof)
    assert (january.start, january.end) == (datetime(2024, 1, 1, tzinfo=UTC), MONTH)
    assert locate(february, tmp_path, asof=asof)[0] == path


def test_bad_files_say_what_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path, "ndvi", np.full(BOX.shape, 0.5))
    with h5py.File(path, "r+") as file:
        del file[QUALITY]
    with pytest.raises(BadGranule, match=r"variable CMG 0\.05 Deg monthly pixel reliability"):
        vegetation.read(path, BOX)
    with h5py.File(path, "r+") as file:
        file.create_dataset(QUALITY, (1800, 3600), "i1", chunks=True)
    with pytest.raises(BadGranule, match="3600 x 7200 pixels"):
        vegetation.read(path, BOX)
    with h5py.File(path, "r+") as file:
        file["HDFEOS/GRIDS"].create_group("second")
    with pytest.raises(BadGranule, match="one grid in HDFEOS/GRIDS"):
        vegetation.read(path, BOX)
    odd = path.with_name("ndvi.h5")
    odd.write_bytes(path.read_bytes())
    with pytest.raises(BadGranule, match="a VNP13C2 or VNP21C3 file name"):
        vegetation.read(odd, BOX)
    path.write_text("<html>")
    with pytest.raises(BadGranule, match="begins with b'<html>'"):
        vegetation.read(path, BOX)
