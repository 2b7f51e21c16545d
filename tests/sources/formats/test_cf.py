"""Attributes that say what stored numbers mean are honoured, or the file is refused."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.formats import cf, hdf

nan = float("nan")


def unpack(
    path: Path, values: Any, dtype: str, *, divides: bool = False, **attributes: Any
) -> list[Any]:
    file = path / "f.h5"
    with h5py.File(file, "w") as made:
        data = made.create_dataset("rain", data=np.asarray(values, dtype))
        data.attrs.update(attributes)
    with hdf.open_hdf5(file) as made:
        data = hdf.get_variable(made, ("rain",), file)
        unpacked = cf.unpack(data, data[...], file, fill=-9999.0, divides=divides)
        assert unpacked.dtype == np.float32
        return [pytest.approx(value, rel=1e-6, nan_ok=True) for value in unpacked.tolist()]


@pytest.mark.parametrize(
    ("values", "dtype", "attributes", "expected"),
    [
        ([1, 2], "f4", {}, [1, 2]),
        ([1.5, -9999.9], "f4", {"_FillValue": np.float32(-9999.9)}, [1.5, nan]),
        ([1.5, -9999.9], "f4", {"_FillValue": np.array([-9999.9])}, [1.5, nan]),
        ([1.5, -9999.0], "f4", {}, [1.5, nan]),
        ([1.5, 9.969209968386869e36], "f4", {}, [1.5, nan]),
        ([1.5, -99.0], "f4", {"missing_value": -99.0}, [1.5, nan]),
        ([1.5, -99.0, -1.0], "f4", {"missing_value": [-99.0, -1.0]}, [1.5, nan, nan]),
        ([1.5, -99.0, -1.0], "f4", {"missing_value": -99.0, "_FillValue": -1.0}, [1.5, nan, nan]),
        ([1.5, 7.0], "f4", {"_FillValue": nan}, [1.5, 7.0]),
        ([1.5, 7.0], "f4", {"_FillValue": np.inf}, [1.5, 7.0]),
        ([3, 4], "i2", {"scale_factor": 0.1}, [0.3, 0.4]),
        ([3, 4], "i2", {"scale_factor": np.array([0.1]), "add_offset": 10.0}, [10.3, 10.4]),
        ([3, 4], "i2", {"add_offset": -1.0}, [2, 3]),
        ([3, -9999], "i2", {"scale_factor": 0.1, "_FillValue": np.int16(-9999)}, [0.3, nan]),
        ([3, 65535], "u2", {"scale_factor": 0.01, "_FillValue": np.uint16(65535)}, [0.03, nan]),
        ([3, -32767], "i2", {"scale_factor": 0.1}, [0.3, nan]),
        ([2.0, 4.0], "f4", {"scale_factor": 3600.0}, [7200, 14400]),
        ([-1, 0, 5, 6], "i2", {"valid_range": np.array([0, 5], "i2")}, [nan, 0, 5, nan]),
        ([-1, 0, 5, 6], "i2", {"valid_min": 0, "valid_max": 5}, [nan, 0, 5, nan]),
        ([0, 9, 10], "i2", {"valid_max": 0.9, "scale_factor": 0.1}, [0, 0.9, nan]),
        ([0, 9, 10], "i2", {"valid_max": np.int16(9), "scale_factor": 0.1}, [0, 0.9, nan]),
        ([0.7, 0.69], "f4", {"valid_min": 0.7}, [0.7, nan]),
        ([0, 10], "i2", {"valid_range": "-2000, 5"}, [0, nan]),
        ([0, 10], ">i2", {"scale_factor": "0.5"}, [0, 5]),
        ([7, 9], "u1", {"_FillValue": np.uint8(9)}, [7, nan]),
    ],
)  # fmt: skip
def test_stored_values_become_physical(
    tmp_path: Path, values: Any, dtype: str, attributes: dict[str, Any], expected: list[float]
) -> None:
    assert expected == unpack(tmp_path, values, dtype, **attributes)


def test_a_scale_above_one_divides_where_the_product_says_so(tmp_path: Path) -> None:
    attributes: dict[str, Any] = {"scale_factor": 10000.0, "_FillValue": np.int16(-3000)}
    packed = [6543, -3000]
    assert [0.6543, nan] == unpack(tmp_path, packed, "i2", divides=True, **attributes)
    assert [6543e4, nan] == unpack(tmp_path, packed, "i2", **attributes)
    assert unpack(tmp_path, [25], "i2", divides=True, scale_factor=0.02) == [0.5]
    with pytest.raises(BadGranule, match="add_offset 0 or none, found 5"):
        unpack(tmp_path, packed, "i2", divides=True, add_offset=5.0, **attributes)


@pytest.mark.parametrize(
    ("dtype", "attributes", "message"),
    [
        ("f4", {"scale_factor": 0.0}, "one scale_factor other than 0"),
        ("f4", {"scale_factor": nan}, "one scale_factor other than 0"),
        ("f4", {"add_offset": np.inf}, "one add_offset"),
        ("f4", {"scale_factor": [1.0, 2.0]}, "one scale_factor other than 0"),
        ("f4", {"scale_factor": "ten"}, "numbers in scale_factor, found 'ten'"),
        ("f4", {"valid_range": [5.0, 0.0]}, "a valid range of two numbers in order"),
        ("f4", {"valid_range": [0.0, 1.0, 2.0]}, "a valid range of two numbers in order"),
        ("f4", {"valid_min": nan}, "a valid range of two numbers in order"),
        ("i1", {"_Unsigned": "true"}, "of the type that they are stored in, found int8 called uns"),
        ("S3", {}, "numbers in rain"),
        ("c8", {}, "numbers in rain"),
    ],
)
def test_attributes_without_sense_refuse_the_file(
    tmp_path: Path, dtype: str, attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadGranule, match=f"f.h5: .*{message}"):
        unpack(tmp_path, [1, 2], dtype, **attributes)


def test_a_cell_never_written_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadGranule, match=r"rain with fill -9999.9, found 1 cells of 9.9692"):
        unpack(tmp_path, [1.0, 9.969209968386869e36], "f4", _FillValue=-9999.9)


def moment(path: Path, units: str | bytes, count: Any = 6.0, **attributes: Any) -> str:
    with h5py.File(path / "f.h5", "w") as made:
        made["time"] = np.atleast_1d(count)
        made["time"].attrs.update({"units": units, **attributes})
    with hdf.open_hdf5(path / "f.h5") as made:
        return str(cf.read_moment(hdf.get_variable(made, ("time",), path), path / "f.h5"))


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ("hours since 2026-06-01 00:00:00", "2026-06-01T06:00:00"),
        (" hours since 2026-06-01 00:00:00", "2026-06-01T06:00:00"),
        ("hours  since  2026-06-01\t00:00:00 \n", "2026-06-01T06:00:00"),
        ("Hours Since 2026-6-1", "2026-06-01T06:00:00"),
        ("hours since 2026-06-01T00:00:00Z", "2026-06-01T06:00:00"),
        ("hours since 2026-06-01 00:00:00 UTC", "2026-06-01T06:00:00"),
        ("hours since 2026-06-01 00:00:00.0", "2026-06-01T06:00:00"),
        ("hours since 2026-06-01 00:00", "2026-06-01T06:00:00"),
        ("h since 2026-06-01 3", "2026-06-01T09:00:00"),
        ("hrs since 2026-06-01 07:00:00 +07:00", "2026-06-01T06:00:00"),
        ("hours since 2026-05-31 22:30:00 -0130", "2026-06-01T06:00:00"),
        ("days since 2026-06-01", "2026-06-07T00:00:00"),
        ("d since 2026-06-01 12:00:00", "2026-06-07T12:00:00"),
        ("minutes since 2026-06-01 00:00:00", "2026-06-01T00:06:00"),
        ("min since 2026-06-01 00:00:00", "2026-06-01T00:06:00"),
        ("seconds since 2026-06-01 11:58:55.816", "2026-06-01T11:59:02"),
        ("secs since 2026-06-01 00:00:00.4", "2026-06-01T00:00:06"),
        ("milliseconds since 2026-06-01 00:00:00", "2026-06-01T00:00:00"),
        (b"hours since 2026-06-01 00:00:00\x00", "2026-06-01T06:00:00"),
    ],
)  # fmt: skip
def test_units_of_time_as_files_write_them(
    tmp_path: Path, units: str | bytes, expected: str
) -> None:
    assert moment(tmp_path, np.bytes_(units) if isinstance(units, bytes) else units) == (
        f"{expected}.000000000"
    )


@pytest.mark.parametrize(
    ("units", "count"),
    [
        ("fortnights since 2026-06-01", 6.0), ("hours since yesterday", 6.0), ("", 6.0),
        ("hours since 2026-13-01", 6.0), ("hours since 2026-06-01 00:00:00 local", 6.0),
        ("hours", 6.0), ("hours since 2026-06-01", [1.0, 2.0]), ("hours since 2026-06-01", nan),
        ("hours since 2026-06-01", np.inf), ("hours since 2026-06-01", 1e300),
        ("hours since 0000-01-01", 6.0), ("days since 2026-06-01", 1e5),
        ("days since 0001-01-01", 10.0), ("hours since 2026-06-01", b"6"),
    ],
)  # fmt: skip
def test_other_times_are_refused(tmp_path: Path, units: str, count: Any) -> None:
    with pytest.raises(BadGranule, match=r"expected (one time|a time|numbers)"):
        moment(tmp_path, units, count)


def test_a_packed_time_is_unpacked(tmp_path: Path) -> None:
    time = moment(tmp_path, "hours since 2026-06-01", np.int16(60), scale_factor=0.1)
    assert time.startswith("2026-06-01T06:00:00")


def test_255_in_bytes_of_another_fill_is_data_only_where_their_range_holds_it(
    tmp_path: Path,
) -> None:
    half: dict[str, Any] = {"scale_factor": 0.5, "_FillValue": np.uint8(254)}
    with pytest.raises(BadGranule, match="rain with fill 254, found 1 cells of 255"):
        unpack(tmp_path, [8, 255], "u1", **half)
    with pytest.raises(BadGranule, match="rain with fill 254, found 1 cells of 255"):
        unpack(tmp_path, [8, 255], "u1", valid_range=np.array([0.0, 100.0]), **half)
    whole = np.array([0.0, 127.5])  # in the units of the values: 255 x 0.5
    assert unpack(tmp_path, [8, 255], "u1", valid_range=whole, **half) == [4.0, 127.5]
    assert unpack(tmp_path, [8, 255], "u1", valid_max=np.uint8(255), **half) == [4.0, 127.5]


@pytest.mark.parametrize("chunks", [None, (5,)])
def test_a_field_that_was_never_written_is_not_zero(
    tmp_path: Path, chunks: tuple[int] | None
) -> None:
    file = tmp_path / "f.h5"
    with h5py.File(file, "w") as made:
        for name, fill in (("rain", 0.0), ("gone", -9999.9), ("nan", np.nan)):
            data = made.create_dataset(name, (10,), "f4", chunks=chunks, fillvalue=fill)
            data.attrs["_FillValue"] = np.float32(-9999.9)
    with hdf.open_hdf5(file) as made:
        with pytest.raises(BadGranule, match="values of rain, found none written, which read as 0"):
            data = hdf.get_variable(made, ("rain",), file)
            cf.unpack(data, data[...], file)
        for name in ("gone", "nan"):
            data = hdf.get_variable(made, (name,), file)
            assert np.isnan(cf.unpack(data, data[...], file)).all()
