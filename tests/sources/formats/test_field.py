"""Variables of HDF files and their attributes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.formats import field, hdf


def test_an_attribute_is_no_larger_than_an_attribute_can_be(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_group("grid").attrs["units"] = np.zeros(2_000_000, "u1")
        file["grid"].attrs["none"] = h5py.Empty("S1")
        file["grid"].attrs["blank"] = np.array([], "f4")
    with hdf.open_hdf5(path) as file:
        assert field.read_text(file["grid"], "none") == ""
        assert field.read_text(file["grid"], "blank") == ""
        assert field.read_text(file["grid"], "absent") == ""
    with (
        pytest.raises(BadGranule, match="the attribute units has 2000000 bytes, expected at most"),
        hdf.open_hdf5(path) as file,
    ):
        field.read_text(file["grid"], "units")
