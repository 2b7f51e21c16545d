"""Times and sizes that files of GK2A's imager have in their attributes."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.sources import gk2a
from pipeline.sources.base import (
    BadGranule,
)
from tests.sources.gk2a_images import DELTA, write


@pytest.mark.parametrize(
    ("attribute", "said", "fits"),
    [
        ("observation_start_time", 775753831.2, True),  # seconds of J2000: 2024-08-01 03:10:31
        ("observation_start_time", 775753831.2 + 600, False),
        ("observation_start_time", "2024-08-01T03:10:31.2Z", True),
        ("observation_start_time", "2024-08-02T03:10:31Z", False),
        ("observation_start_time", "soon", False),
        ("observation_start_time", np.inf, False),
        ("origianl_sourece_file", "gk2a_ami_le2_rr_fd020ge_202408010310.nc", True),
        ("origianl_sourece_file", "gk2a_ami_le2_rr_fd020ge_202408010330.nc", False),
        ("file_creation_time", "2024-08-01T03:21:52.928Z", True),
        ("file_creation_time", "2024-08-01T03:01:52.928Z", False),
    ],
)
def test_the_time_inside_is_held_against_the_name(
    tmp_path: Path, attribute: str, said: object, fits: bool
) -> None:
    path = write(tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs[attribute] = said
    if fits:
        assert gk2a.read(path, DELTA)["time"].values[0] == np.datetime64("2024-08-01T03:10")
        return
    with pytest.raises(BadGranule):
        gk2a.read(path, DELTA)


@pytest.mark.parametrize("attribute", ["observation_start_time", "file_creation_time"])
@pytest.mark.parametrize("said", ["junk", "nan", "inf", "1e300", "2024-13-01T00:00:00"])
def test_a_time_that_is_none_is_named(tmp_path: Path, attribute: str, said: str) -> None:
    path = write(tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs[attribute] = np.bytes_(said.encode())
    wanted = f"expected {attribute} in seconds of J2000 or as ISO 8601, found '{said}'"
    with pytest.raises(BadGranule, match=re.escape(wanted)):
        gk2a.read(path, DELTA)
