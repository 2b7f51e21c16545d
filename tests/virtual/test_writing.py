"""Files of the virtual basin: the same bytes each time, whole, with their axes and dates."""

import time
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.virtual.writing import fill_in, make_template, publish, write_array, write_attributes

PUBLISHED = datetime(2024, 8, 1, 14, 2, 3, tzinfo=UTC)


def build(file: h5py.File) -> None:
    """Build two axes, a variable on them without data, and one with."""
    write_array(file, "lat", ("lat",), data=np.array([15.0, 14.0]), units="degrees_north")
    write_array(file, "lon", ("lon",), data=np.array([100.0, 101.0, 102.0]))
    write_array(file, "rain", ("lat", "lon"), dtype="f4", chunks=(1, 3), fill=-9999.9, units="mm")
    write_array(file, "count", ("lat", "lon"), data=np.ones((2, 3), "i2"), fill=-1.0)
    write_attributes(file, title="virtual")


def opened(content: bytes, folder: Path) -> h5py.File:
    """Open the bytes of a file."""
    path = folder / "copy"
    path.write_bytes(content)
    return h5py.File(path)


def test_a_variable_has_its_axes_fill_and_attributes(tmp_path: Path) -> None:
    with opened(make_template(build), tmp_path) as file:
        assert file["lat"].is_scale
        for name in ("rain", "count"):
            assert [dim[0].name for dim in file[name].dims] == ["/lat", "/lon"]
        assert file["rain"].shape == (2, 3)
        assert file["rain"][:].tolist() == np.full((2, 3), -9999.9, "f4").tolist()
        fill = file["rain"].attrs["_FillValue"]
        assert (fill.dtype, fill[0]) == (np.float32, np.float32(-9999.9))
        assert file["count"].attrs["_FillValue"].dtype == np.int16
        assert file["rain"].attrs["units"] == np.bytes_(b"mm"), "text of fixed length"
        assert file.attrs["title"] == b"virtual"


def test_a_change_leaves_the_template_and_the_rest_as_they_were(tmp_path: Path) -> None:
    template = make_template(build)
    kept = bytes(template)

    def change(file: h5py.File) -> None:
        file["rain"][0, 1] = 4.5

    filled = fill_in(template, change)
    time.sleep(1.1)  # HDF5 would write the second of making
    assert template == kept == make_template(build), "no time of making is in the bytes"
    assert fill_in(template, change) == filled != template
    with opened(filled, tmp_path) as file:
        assert file["rain"][0].tolist() == pytest.approx([-9999.9, 4.5, -9999.9])
        assert file["lat"][:].tolist() == [15.0, 14.0]


def test_a_file_is_published_whole_and_dated(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.h5"
    assert publish(path, b"first", PUBLISHED) == path
    publish(path, b"second", PUBLISHED)
    assert path.read_bytes() == b"second"
    assert path.stat().st_mtime == PUBLISHED.timestamp()
    assert list(path.parent.iterdir()) == [path], "no draft is left beside"
