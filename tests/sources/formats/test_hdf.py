"""HDF5 files: opened within limits, and never what lies in another file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.formats import hdf
from tests.sources.formats.hdf_cases import VALUES, refused, write


@pytest.mark.parametrize(
    ("shape", "layout", "message"),
    [
        ((3_000_000_000,), {"chunks": (1000,)}, "at most 1000 MB in rain, found 12000 MB declared"),
        ((1, 40_000, 40_000), {"chunks": (1, 10, 10)}, "at most 1000 MB in rain, found 6400 MB"),
        ((2**40, 2**40, 2**40), {"chunks": (1, 1, 1)}, "at most 1000 MB in rain"),
        ((1, 20, 20), {"chunks": (1, 20_000, 20_000), "maxshape": (None,) * 3},
         "at most 250 MB in a chunk of rain, found 1600 MB declared"),
        ((1,) * 20, {}, "at most 4 dims of rain, found 20"),
        (None, {}, "numbers in rain"),
    ],
    ids=["axis", "field", "overflow", "chunk", "dims", "empty"],
)  # fmt: skip
def test_what_is_declared_too_large_is_refused_unread(
    tmp_path: Path, shape: Any, layout: dict[str, Any], message: str
) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        if shape is None:
            file["rain"] = h5py.Empty("f4")
        else:
            file.create_dataset("rain", shape, "f4", **layout)
    assert path.stat().st_size < 100_000
    assert message in refused(path)


def test_nothing_is_read_from_another_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opened, it would be waited for without end
    target = write(tmp_path / "other.h5")
    raw = tmp_path / "raw.bin"
    raw.write_bytes(VALUES.tobytes())
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["external"] = h5py.ExternalLink("pipe", "/rain")
        file["soft"] = h5py.SoftLink("/external")
        file["group/deep"] = h5py.ExternalLink(str(target), "/rain")
        layout = h5py.VirtualLayout(VALUES.shape, "f4")
        layout[...] = h5py.VirtualSource(target, "rain", VALUES.shape)
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("raw", VALUES.shape, "f4", external=[(raw, 0, VALUES.nbytes)])
    for name in ("external", "soft", "group/deep", "virtual", "raw"):
        assert f"expected {name} in the file itself" in refused(path, (name,))
    with pytest.raises(BadGranule, match="expected variable gone or group/lost"):
        refused_names(path, ("gone", "group/lost", "raw/of/nothing"))


def refused_names(path: Path, choices: tuple[str, ...]) -> None:
    with hdf.open_hdf5(path) as file:
        hdf.get_variable(file, choices, path)


@pytest.mark.parametrize(
    "kind",
    [h5py.string_dtype(), h5py.vlen_dtype("f4"), h5py.ref_dtype, np.dtype([("a", "f4")]), "c8"],
    ids=["text", "lists", "references", "records", "complex"],
)
def test_what_is_not_numbers_is_refused(tmp_path: Path, kind: Any) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("rain", (1, 20, 10), kind)
        file["type"] = np.dtype("f4")
    assert "expected numbers in rain" in refused(tmp_path / "f.h5")
    assert "expected numbers in type, found datatype" in refused(tmp_path / "f.h5", ("type",))


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), ValueError("y"), RuntimeError("z"), MemoryError(), OverflowError("w"),
     ZeroDivisionError("v"), UnicodeDecodeError("utf-8", b"", 0, 1, "u"), TypeError("t")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_is_raised_is_the_files_fault(tmp_path: Path, error: Exception) -> None:
    path = write(tmp_path / "f.h5")
    with (
        pytest.raises(BadGranule, match=f"a whole HDF5 file, found {type(error).__name__}") as it,
        hdf.open_hdf5(path),
    ):
        raise error
    assert it.value.__cause__ is error


def test_the_readers_own_words_pass_the_border(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5")
    with pytest.raises(Skipped, match="not used"), hdf.open_hdf5(path):
        raise Skipped("not used")
    with pytest.raises(KeyboardInterrupt), hdf.open_hdf5(path):
        raise KeyboardInterrupt


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "folder.h5").mkdir()
    for name in ("pipe.h5", "folder.h5", "absent.h5"):
        with pytest.raises(BadGranule, match=f"{name}: expected a file, found none, or a folder"):
            refused_names(tmp_path / name, ("rain",))
