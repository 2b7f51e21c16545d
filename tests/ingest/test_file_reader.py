"""Files that kill, hang or exhaust the process that reads them, and what comes of the next ones."""

from __future__ import annotations

import ctypes
import os
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from tblib import pickling_support

from pipeline.ingest.file_reader import FileReader
from pipeline.sources.base import BadGranule, Skipped

if TYPE_CHECKING:
    Data = xr.Dataset | pd.DataFrame

LIMIT = 200_000_000


class ForeignError(Exception):
    """An error of a library that cannot be unpickled, as GDAL's in rasterio."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return int, ("no number",)


def read(path: Path) -> Data:
    """Do what the file's first word says."""
    word = path.read_text().split()[0]
    if word == "hang":
        ctypes.CDLL(None).sleep(60)  # C code, which returns to no handler of Python's
    if word == "crash":
        ctypes.string_at(0)
    if word == "eat":
        np.ones(10 * LIMIT, "u1")
    if word == "recurse":
        read(path)
    if word == "fail":
        raise KeyError("a name\n\x00 that no reader foresaw")
    if word == "leave":
        os._exit(7)
    if word == "skip":
        raise Skipped(f"{path.name}: Evaporation is not used")
    if word == "bad":
        raise BadGranule(path, expected="rain", found="snow")
    if word == "cause":
        raise BadGranule(path, expected="rain", found="hail") from ForeignError()
    if word == "table":
        return pd.DataFrame({"value": [1.5]})
    data = xr.Dataset({"rain": ("time", [1.0, 2.0], {"units": "mm"})}, attrs={"origin": "virtual"})
    data["rain"].encoding = {"dtype": "float32"}
    return data


def file(folder: Path, word: str) -> Path:
    path = folder / f"{word}.h5"
    path.write_text(f"{word} ")
    return path


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("hang", "found one that takes longer than 2 s"),
        ("crash", r"found one that ends its reader \(SIGSEGV\)"),
        ("leave", r"found one that ends its reader \(7\)"),
        ("eat", "expected a file read in .* of memory, found one of more"),
        ("recurse", "found RecursionError"),
        ("fail", r"found KeyError: 'a name\\n\\x00 that no reader foresaw'"),
        ("bad", "expected rain, found snow"),
    ],
)
def test_a_hostile_file_is_rejected_and_the_next_is_read(
    tmp_path: Path, word: str, found: str
) -> None:
    seconds = 2.0 if word == "hang" else 20.0
    begin = time.monotonic()
    with FileReader(read, max_seconds=seconds, max_bytes=LIMIT) as reader:
        for _ in range(2):
            with pytest.raises(BadGranule, match=found) as refused:
                reader(file(tmp_path, word))
            assert str(refused.value).startswith(f"{word}.h5: expected ")
            assert refused.value.path.name == f"{word}.h5"
        data = reader(file(tmp_path, "good"))
    assert data["rain"].values.tolist() == [1.0, 2.0]
    assert time.monotonic() - begin < 15


def test_an_error_comes_back_without_what_it_came_from(tmp_path: Path) -> None:
    pickling_support.install(BadGranule)  # as dask.distributed does for all errors
    with FileReader(read) as reader, pytest.raises(BadGranule, match="expected rain, found hail"):
        reader(file(tmp_path, "cause"))


def test_what_is_read_comes_back_whole(tmp_path: Path) -> None:
    with FileReader(read) as reader:
        grid, table = reader(file(tmp_path, "good")), reader(file(tmp_path, "table"))
        with pytest.raises(Skipped, match=r"skip\.h5: Evaporation is not used"):
            reader(file(tmp_path, "skip"))
    assert isinstance(grid, xr.Dataset)
    xr.testing.assert_identical(grid, read(tmp_path / "good.h5"))
    assert grid["rain"].encoding == {"dtype": "float32"}
    assert isinstance(table, pd.DataFrame)
    assert table["value"].tolist() == [1.5]


def test_a_file_of_more_than_its_limit_is_not_opened(tmp_path: Path) -> None:
    path = file(tmp_path, "good")
    with path.open("r+b") as stream:
        stream.truncate(LIMIT + 1)
    with FileReader(read, max_bytes=LIMIT) as reader, pytest.raises(
        BadGranule, match=r"good\.h5: expected at most 2e\+08 bytes, found 200000001"
    ):  # fmt: skip
        reader(path)


def test_a_deflate_bomb_of_a_real_format(tmp_path: Path) -> None:
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as bomb:
        chunk = (1, 2 * LIMIT)
        made = bomb.create_dataset("rain", chunk, "u1", chunks=chunk, compression="gzip")
        packed = zlib.compress(bytes(2 * LIMIT), 1)
        made.id.write_direct_chunk((0, 0), packed)
    assert path.stat().st_size < LIMIT / 50

    def first_cell(path: Path) -> xr.Dataset:
        with h5py.File(path) as opened:
            return xr.Dataset({"rain": ("time", opened["rain"][0, :1])})

    with FileReader(first_cell, max_bytes=LIMIT) as reader, pytest.raises(BadGranule):
        reader(path)


def list_children() -> set[str]:
    """Process numbers of the children of this process."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {number for path in tasks for number in path.read_text().split()}


def test_no_child_is_left(tmp_path: Path) -> None:
    before = list_children()
    with FileReader(read) as reader:
        reader(file(tmp_path, "good"))
        assert list_children() > before
    assert list_children() == before
