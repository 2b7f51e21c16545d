"""Times and sizes that files of GK2A's imager have in their attributes."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.sources import gk2a
from pipeline.sources.base import (
    BadGranule,
)
from pipeline.sources.formats import ami
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


@pytest.mark.parametrize(
    ("content", "moment"),
    [
        ("0", "2000-01-01T12:00:00"),
        ("-43200", "2000-01-01T00:00:00"),
        ("775753831.2", "2024-08-01T03:10:31"),
        ("2024-08-01T03:10:31Z", "2024-08-01T03:10:31"),
        ("2024-08-01 03:10:31", "2024-08-01T03:10:31"),
        ("2024-08-01T10:10:31+07:00", "2024-08-01T03:10:31"),
    ],
)
def test_a_moment_in_seconds_or_in_words_is_utc(content: str, moment: str) -> None:
    assert ami.parse_moment(content, "file_creation_time", Path("a.nc")) == np.datetime64(moment)
    with pytest.raises(BadGranule, match=r"a\.nc: expected file_creation_time in seconds of J2000"):
        ami.parse_moment("0001-01-01T00:00:00+07:00", "file_creation_time", Path("a.nc"))


def test_a_scan_may_begin_as_far_from_its_slot_as_is_said(tmp_path: Path) -> None:
    slot, within = np.datetime64("2000-01-01T12:00", "ns"), timedelta(minutes=10)
    with h5py.File(tmp_path / "a.nc", "w") as file:
        for seconds in (-600, 0, 600):
            file.attrs["observation_start_time"] = float(seconds)
            ami.check_time(file, slot, tmp_path / "a.nc", within=within)
        for seconds in (-601, 601):
            file.attrs["observation_start_time"] = float(seconds)
            with pytest.raises(BadGranule, match="expected observation_start_time near 2000-01-01"):
                ami.check_time(file, slot, tmp_path / "a.nc", within=within)


def test_a_size_is_that_of_an_image(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nc", "w") as file:
        for said, size in ((1, 1), (np.uint16(5500), 5500), ("22000", 22_000)):
            file.attrs["image_width"] = said
            assert ami.read_size(file, "image_width", tmp_path / "a.nc") == size
        for said, found in ((0, "0"), (22_001, "22001"), (-5500, "-5500")):
            file.attrs["image_width"] = said
            with pytest.raises(BadGranule, match=f"image_width of 1 to 22000, found {found}$"):
                ami.read_size(file, "image_width", tmp_path / "a.nc")
        with pytest.raises(BadGranule, match="expected a number in image_height, found ''"):
            ami.read_size(file, "image_height", tmp_path / "a.nc")
