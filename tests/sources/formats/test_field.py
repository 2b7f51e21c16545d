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


def test_a_variable_says_how_it_is_stored(tmp_path: Path) -> None:
    values = np.arange(200, dtype="f4").reshape(20, 10)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        half = file.create_dataset(
            "g/half", (20, 10), "f4", chunks=(10, 10), compression="gzip", shuffle=True,
            fillvalue=-9999.5,
        )  # fmt: skip
        half[:10] = values[:10]
        file["flat"] = values
        file.create_dataset("none", (20, 10), "i2")
    with h5py.File(tmp_path / "f.h5") as file:
        half, flat, none = (field.Field(file[name].id) for name in ("g/half", "flat", "none"))
        assert (half.name, half.ndim, half.size, len(half)) == ("/g/half", 2, 200, 20)
        assert (half.chunks, flat.chunks) == ((10, 10), ())
        assert half.filters == (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE)
        assert flat.filters == ()
        assert half.fillvalue == np.float32(-9999.5)
        assert [one.is_unwritten for one in (half, flat, none)] == [False, False, True]
        assert [one.has_unwritten_chunks for one in (half, flat, none)] == [True, False, True]
        np.testing.assert_array_equal(flat.read(), values)
        np.testing.assert_array_equal(half[8:12, 2], [82.0, 92.0, -9999.5, -9999.5])


def test_attributes_as_texts_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file.attrs["padded"] = np.bytes_(b"mm/hr")
        file.attrs["text"] = "0.25"
        file.attrs["list"] = np.array([0.5, 7.0])
        file.attrs["latin"] = np.bytes_(b"\xb0C")
    with h5py.File(path) as file:
        assert sorted(field.Attributes(file.id)) == ["latin", "list", "padded", "text"]
        assert field.read_text(file, "padded") == "mm/hr"
        assert field.read_text(file, "latin") == "\ufffdC"
        assert [field.read_number(file, name, path) for name in ("text", "list")] == [0.25, 0.5]
        for name, found in (("padded", "'mm/hr'"), ("absent", "''")):
            with pytest.raises(BadGranule, match=f"expected a number in {name}, found {found}"):
                field.read_number(file, name, path)


def test_bits_of_signed_flags_and_no_bits_of_floats() -> None:
    for order in "<>":
        bits = field.to_bits(np.array([-1, 1, -32768], f"{order}i2"), "QA", Path("a.h5"))
        assert bits.tolist() == [65535, 1, 32768]
    assert field.has_bits(bits, 0x8001, (0x8001, 1)).tolist() == [True, True, False]
    with pytest.raises(BadGranule, match="expected bits in QA, found float32"):
        field.to_bits(np.zeros(2, "f4"), "QA", Path("a.h5"))
