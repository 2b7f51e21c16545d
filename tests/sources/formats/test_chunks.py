"""Windows of chunked arrays: as HDF5 reads them, and within the size that they declare."""

from __future__ import annotations

import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.sources.base import BadGranule
from pipeline.sources.formats import chunks, hdf
from tests.sources.formats.hdf_cases import PLAIN, VALUES, read, refused, write


@given(data=st.data(), chunks=st.tuples(st.just(1), st.integers(1, 23), st.integers(1, 17)))
def test_any_window_of_any_chunks_is_that_of_hdf5(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    chunks: tuple[int, int, int],
) -> None:
    path = write(tmp_path_factory.mktemp("slab") / "f.h5", chunks=chunks, **PLAIN)
    down, across = (
        slice(*sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))))
        for n in (23, 17)
    )
    np.testing.assert_array_equal(read(path, down, across), VALUES[0, down, across])


@pytest.mark.parametrize("part", [1, 68, 100, 1 << 20])
def test_parts_of_any_size_make_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(chunks, "_PART", part)
    path = write(tmp_path / "f.h5", chunks=(1, 10, 17), **PLAIN)
    np.testing.assert_array_equal(read(path, slice(3, 21), slice(2, 9)), VALUES[0, 3:21, 2:9])


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"chunks": (1, 5, 5)},
        {"chunks": (1, 5, 5), "shuffle": True, **PLAIN},
        {"chunks": (1, 5, 5), "fletcher32": True, **PLAIN},
        {"chunks": (1, 5, 5), "compression": "lzf"},
    ],
    ids=["contiguous", "not deflated", "shuffled", "checked", "other"],
)
def test_other_layouts_go_through_hdf5(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = write(tmp_path / "f.h5", **layout)
    np.testing.assert_array_equal(read(path, slice(4, 20), slice(3, 12)), VALUES[0, 4:20, 3:12])


def test_big_endian_integers_keep_their_values(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5", VALUES.astype(">i2"), chunks=(1, 4, 17), **PLAIN)
    np.testing.assert_array_equal(read(path, slice(0, 9), slice(0, 17)), VALUES[0, :9])


def test_a_chunk_that_was_never_written_is_fill(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            "rain", (1, 20, 10), "f4", chunks=(1, 10, 10), fillvalue=-9999.9, compression="gzip"
        )
        made[0, :10] = 1.5
    window = read(path, slice(8, 12), slice(0, 2))
    np.testing.assert_array_equal(window, np.array([[1.5] * 2] * 2 + [[-9999.9] * 2] * 2, "f4"))


def test_a_chunk_that_skipped_its_filter_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5", chunks=(1, 23, 17), **PLAIN)
    with h5py.File(path, "r+") as file:
        file["rain"].id.write_direct_chunk((0, 0, 0), (VALUES + 1).tobytes(), filter_mask=1)
    np.testing.assert_array_equal(read(path, slice(0, 3), slice(0, 17)), VALUES[0, :3] + 1)


@pytest.mark.parametrize("at", [10, -1], ids=["in the middle", "in the checksum"])
def test_a_damaged_chunk_is_told(tmp_path: Path, at: int) -> None:
    noise = np.random.default_rng(0).random((1, 40, 30))
    path = write(tmp_path / "f.h5", noise, chunks=(1, 40, 30), **PLAIN)
    with h5py.File(path, "r+") as file:
        chunk = file["rain"].id
        packed = bytearray(chunk.read_direct_chunk((0, 0, 0))[1])
        packed[at] ^= 0xFF
        chunk.write_direct_chunk((0, 0, 0), bytes(packed))
    with pytest.raises(BadGranule, match="expected a whole HDF5 file, found a"):
        read(path, slice(0, 1), slice(0, 1))


@pytest.mark.parametrize("rows", [22, 24])
def test_a_chunk_of_another_size_is_told(tmp_path: Path, rows: int) -> None:
    path = write(tmp_path / "f.h5", chunks=(1, 23, 17), **PLAIN)
    with h5py.File(path, "r+") as file:
        longer = zlib.compress(np.zeros((rows, 17), "f4").tobytes())
        file["rain"].id.write_direct_chunk((0, 0, 0), longer)
    with pytest.raises(BadGranule, match="expected a whole HDF5 file, found a"):
        read(path, slice(0, 23), slice(0, 17))


def test_a_variable_that_was_never_written_is_fill(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("rain", (1, 40, 30), "f4", chunks=(1, 10, 10), fillvalue=-1.0, **PLAIN)
    window = read(tmp_path / "f.h5", slice(5, 25), slice(0, 30))
    np.testing.assert_array_equal(window, np.full((20, 30), -1.0, np.float32))


LAT = np.linspace(-89.95, 89.95, 1800, dtype="<f4")


def coordinate(path: Path, values: NDArray[Any] = LAT, **layout: Any) -> NDArray[Any]:
    with hdf.open_hdf5(write(path, values, **layout)) as file:
        return chunks.read_axis(hdf.get_variable(file, ("rain",), path))


def test_a_coordinate_that_files_repeat_is_inflated_once(tmp_path: Path) -> None:
    whole: Any = {"chunks": (1800,), **PLAIN}
    first, again = (coordinate(tmp_path / name, **whole) for name in ("a.h5", "b.h5"))
    np.testing.assert_array_equal(first, LAT)
    assert again is first
    np.testing.assert_array_equal(coordinate(tmp_path / "c.h5", LAT[::-1], **whole), LAT[::-1])
    doubles = coordinate(tmp_path / "d.h5", LAT.astype("<f8"), **whole)
    np.testing.assert_array_equal(doubles, LAT.astype("<f8"))


@pytest.mark.parametrize(
    "layout", [{}, {"chunks": (700,), **PLAIN}, {"chunks": (1800,), "shuffle": True, **PLAIN}],
    ids=["contiguous", "chunks", "shuffled"],
)  # fmt: skip
def test_other_coordinates_go_through_hdf5(tmp_path: Path, layout: dict[str, Any]) -> None:
    np.testing.assert_array_equal(coordinate(tmp_path / "f.h5", **layout), LAT)


def test_a_coordinate_that_was_never_written_is_fill(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("rain", (4,), "f4", chunks=(4,), fillvalue=-1.0, **PLAIN)
    with hdf.open_hdf5(tmp_path / "f.h5") as file:
        assert chunks.read_axis(hdf.get_variable(file, ("rain",), tmp_path)).tolist() == [-1.0] * 4


def test_a_damaged_coordinate_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5", LAT, chunks=(1800,), **PLAIN)
    with h5py.File(path, "r+") as file:
        chunk = file["rain"].id
        chunk.write_direct_chunk((0,), chunk.read_direct_chunk((0,))[1][:-7])
    with (
        pytest.raises(BadGranule, match="expected a whole HDF5 file, found a damaged"),
        hdf.open_hdf5(path) as file,
    ):
        chunks.read_axis(hdf.get_variable(file, ("rain",), path))


def test_an_axis_is_no_longer_than_an_axis_can_be(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("lat", (200_000_000,), "f4", chunks=(1000,))
    with (
        pytest.raises(BadGranule, match="has 200000000 values, expected at most 131072"),
        hdf.open_hdf5(tmp_path / "f.h5") as file,
    ):
        chunks.read_axis(hdf.get_variable(file, ("lat",), tmp_path / "f.h5"))


@pytest.mark.parametrize(("size", "chunk"), [(10_000, 100), (7_000, 1)])
def test_a_window_is_no_larger_than_memory(tmp_path: Path, size: int, chunk: int) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("rain", (1, size, size), "u1", chunks=(1, chunk, chunk))
    with pytest.raises(BadGranule, match=r"a window (of 100000000 cells|in 49000000 chunks)"):
        read(tmp_path / "f.h5", slice(0, size), slice(0, size))


BOMB = zlib.compress(bytes(200_000_000), 9)


@pytest.mark.parametrize(
    "layout",
    [{}, {"shuffle": True}, {"fletcher32": True}, {"fletcher32": True, "shuffle": True},
     {"chunks": (2, 20, 10)}],
    ids=["plain", "shuffled", "checked", "both", "deep"],
)  # fmt: skip
def test_a_chunk_that_would_swell_is_refused(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        kind: dict[str, Any] = {"chunks": (1, 20, 10), "compression": "gzip", **layout}
        data = file.create_dataset("rain", (2, 20, 10), "f4", maxshape=(None, None, None), **kind)
        data.id.write_direct_chunk((0, 0, 0), BOMB)
    tracemalloc.start()
    message = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "a chunk of 194" in message or "a chunk of another size" in message
    assert peak < 5_000_000


def test_filters_that_follow_deflate_are_refused(tmp_path: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1, 20, 10))
    plist.set_deflate(9)
    plist.set_deflate(9)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        space = h5py.h5s.create_simple((1, 20, 10))
        h5py.h5d.create(file.id, b"rain", h5py.h5t.IEEE_F32LE, space, dcpl=plist)
    assert "expected deflate last" in refused(tmp_path / "f.h5")
