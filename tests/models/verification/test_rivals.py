"""A rival's file is read as it says, and what is not read of it is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from models.verification.rivals import read_rival
from pipeline.sources.base import BadGranule
from tests.models.verification.rival_cases import LEVELS, make_observed, make_table, read_table

HEAD = "station,issue_time,lead_days,value,unit\n"


def remarks(folder: Path, text: str) -> str:
    return "; ".join(read_table(folder, text).remarks)


def test_values_in_cm_and_names_of_gauges(tmp_path: Path) -> None:
    text = HEAD + "Pakse,2026-08-20T00:00Z,1,1234,cm\n13901,2026-08-21T00:00Z,2,1250,cm\n"
    archive = read_table(tmp_path, text)
    assert archive.rows["station"].tolist() == ["013901", "013901"]
    assert archive.rows["point"].tolist() == pytest.approx([12.34, 12.5])
    assert archive.rows["valid_time"].astype(str).tolist() == ["2026-08-21", "2026-08-23"]
    assert (archive.variable, archive.members, archive.levels) == ("stage", False, ())


@pytest.mark.parametrize(
    ("issued", "valid", "lead"),
    [
        ("2026-08-20T00:30Z", "2026-08-21T00:00Z", 1),
        ("2026-08-20T12:00Z", "2026-08-21T00:00Z", 1),
        ("2026-08-20T23:00Z", "2026-08-21T00:00Z", 1),
        ("2026-08-20T07:00+07:00", "2026-08-21T07:00+07:00", 1),
        ("2026-08-20T06:00+07:00", "2026-08-21", 2),
        ("2026-08-20", "2026-08-23", 3),
    ],
)
def test_leads_count_the_days_between_dates_in_utc(
    tmp_path: Path, issued: str, valid: str, lead: int
) -> None:
    text = f"station,issue_time,valid_time,stage_m\n013901,{issued},{valid},9.5\n"
    assert read_table(tmp_path, text).rows["lead_days"].tolist() == [lead]


def test_dates_alone_say_nothing_of_the_hour(tmp_path: Path) -> None:
    text = "station,issue_date,lead_days,stage_m\n013901,2026-08-20,1,9.5\n"
    assert "states no time of issue" in remarks(tmp_path, text)
    assert "states no time" not in remarks(tmp_path, HEAD + "013901,2026-08-20T00:00Z,1,9,m\n")


def test_members_are_sorted_and_a_lacking_one_is_told(tmp_path: Path) -> None:
    text = "station,issue_date,lead_days,member,stage_m\n" + "".join(
        f"013901,2026-08-{day},1,{member},{stage}\n"
        for day, stages in (("20", (9.0, 8.0, 10.0)), ("21", (9.0, 9.5)))
        for member, stage in enumerate(stages)
    )
    archive = read_table(tmp_path, text)
    assert archive.values[0].tolist() == [8.0, 9.0, 10.0]
    assert archive.levels == pytest.approx((1 / 6, 1 / 2, 5 / 6))
    assert archive.rows["point"].iloc[0] == 9.0
    assert np.isnan(archive.rows["point"].iloc[1])
    assert any("1 forecasts lack a member" in remark for remark in archive.remarks)


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    rows = [f"013901,2026-07-{day:02}T00:00Z,1,9.5,m" for day in range(1, 31)]
    rows += [
        "013901,2026-07-30T00:00Z,1,9.5,m",
        "013901,2026-07-30T12:00Z,1,9.7,m",
        "013901,2026-08-01T00:00Z,1,,m",
        "Nowhere River,2026-08-01T00:00Z,1,9.5,m",
        "999999,2026-08-01T00:00Z,1,9.5,m",
        "013901,2026-08-02T00:00Z,1,950,m",
    ]
    archive = read_table(tmp_path, HEAD + "\n".join(rows) + "\n")
    said = "; ".join(archive.remarks)
    assert len(archive.rows) == 30
    assert archive.rows["point"].tolist() == [9.5] * 30
    assert "1 rows that repeat another" in said
    assert "1 forecasts of a later issue on the same day" in said
    assert "1 rows without a value" in said
    assert "'Nowhere River'" in said
    assert "'999999'" in said
    assert "line 37: expected value within -5 to 60 m, found 950.0" in said


def test_what_is_not_valid_when_gauges_are_read_is_left_out(tmp_path: Path) -> None:
    text = (
        "station,issue_time,valid_time,stage_m\n013901,2026-08-20T00:00Z,2026-08-21T00:00Z,9.5\n"
        "013901,2026-08-20T00:00Z,2026-08-21T06:00Z,9.6\n"
    )
    archive = read_table(tmp_path, text)
    assert archive.rows["point"].tolist() == [9.5]
    assert any("1 rows are valid at 06:00 UTC" in remark for remark in archive.remarks)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("garbage", "expected a heading with the column station, found none"),
        ("station,issue_date,lead_days,stage_m\n", "expected rows below the heading, found none"),
        ("station,lead_days,stage_m\n013901,1,9\n", "expected one column issue_time .* found none"),
        ("station,issue_date,stage_m\n013901,2026-08-20,9\n", "lead_days, found none"),
        ("station,issue_date,lead_days\n013901,2026-08-20,1\n", "q05 to q95, p_alarm or p_flood"),
        ("station,issue_date,lead_days,value\n013901,2026-08-20,1,9\n", "expected a column unit"),
        (HEAD + "013901,2026-08-20T00:00Z,1,9,ft\n", "expected the unit m or cm .* found 'ft'"),
        (
            HEAD + "013901,2026-08-20T00:00Z,1,9,m\n013901,2026-08-21T00:00Z,1,900,cm\n",
            "expected one unit, found 'cm', 'm'",
        ),
        (HEAD + "013901,2026-08-20T07:00,1,9,m\n", "a time with its zone"),
        (HEAD + "013901,20/08/2026,1,9,m\n", "a time with its zone"),
        (HEAD + "013901,2026-08-20T00:00Z,1.5,9,m\n", "expected whole days ahead, found '1.5'"),
        (HEAD + "013901,2026-08-20T00:00Z,1,high,m\n", "expected a number, found 'high'"),
        (HEAD + "013901,2026-08-20T00:00Z,1,99,m\n", "expected value within -5 to 60 m, found 99"),
        (HEAD + "Nowhere,2026-08-20T00:00Z,1,9,m\n", "found .*does not have: 'Nowhere'"),
        (
            "station,issue_date,lead_days,p_alarm\n013901,2026-08-20,1,70\n",
            "expected p_alarm within 0 to 1, found 70",
        ),
        (
            "station,issue_date,lead_days,q10,q90,unit\n013901,2026-08-20,1,9,8,m\n",
            "expected quantiles that do not cross",
        ),
        (
            "station,issue_date,valid_date,stage_m\n013901,2026-08-20,2026-08-19,9\n",
            "expected a valid time after the issue",
        ),
        (
            "station,issue_date,lead_days,stage_m\n013901,2026-08-20,1,9\n013901,2026-08-20,1,8\n",
            "expected one forecast per gauge, issue, valid time and member",
        ),
    ],
)
def test_a_file_that_is_none_says_what_was_expected(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(BadGranule, match=message):
        read_table(tmp_path, text)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="found none"):
        read_rival(tmp_path / "absent.csv")
    (tmp_path / "rival.nc").write_bytes(b"CDF garbage")
    with pytest.raises(BadGranule, match="expected a file netCDF-4 by CF"):
        read_rival(tmp_path / "rival.nc")
    (tmp_path / "rival.xlsx").write_bytes(b"PK")
    with pytest.raises(BadGranule, match=r"expected a file .csv or .nc, found 'rival.xlsx'"):
        read_rival(tmp_path / "rival.xlsx")


def to_dataset(table: pd.DataFrame, leads: str) -> xr.Dataset:
    """The same forecasts as a netCDF file has them, in cm."""
    keys = ["station", "issue_time", "lead"]
    frame = table.assign(
        issue_time=pd.to_datetime(table["issue_date"]), lead=table["lead_days"].astype(float)
    )
    cube = frame.set_index(keys)[[*LEVELS, "p_alarm"]].to_xarray()
    quantiles = xr.concat([cube[name] for name in LEVELS], "quantile") * 100.0
    stage = quantiles.assign_coords(quantile=list(LEVELS.values())).assign_attrs(units="cm")
    ds = xr.Dataset({"stage": stage, "p_alarm": cube["p_alarm"]})
    if leads == "hours":
        ds = ds.assign_coords(lead=ds["lead"] * 24.0)
    ds["lead"].attrs["units"] = leads
    return ds


@pytest.mark.parametrize("leads", ["days", "hours"])
def test_netcdf_gives_what_the_same_table_gives(tmp_path: Path, leads: str) -> None:
    table = make_table(make_observed(), sd=0.2, seed=1, days=20)
    of_table = read_table(tmp_path, table)
    path = tmp_path / "rival.nc"
    to_dataset(table, leads).to_netcdf(path, engine="h5netcdf")
    of_netcdf = read_rival(path)
    pd.testing.assert_frame_equal(of_netcdf.rows, of_table.rows, check_dtype=False)
    assert np.abs(of_netcdf.values - of_table.values).max() < 1e-9
    assert of_netcdf.levels == of_table.levels == tuple(LEVELS.values())


def test_netcdf_with_members(tmp_path: Path) -> None:
    issued = pd.date_range("2026-08-20T12:00", periods=2)
    ds = xr.Dataset(
        {
            "stage": (
                ("station", "issue_time", "lead", "member"),
                np.arange(12.0).reshape(1, 2, 2, 3),
            )
        },
        {"station": ["013901"], "issue_time": issued, "lead": [12.0, 36.0], "member": [0, 1, 2]},
    )
    ds["stage"].attrs["units"], ds["lead"].attrs["units"] = "m", "hours"
    ds.to_netcdf(tmp_path / "rival.nc", engine="h5netcdf")
    archive = read_rival(tmp_path / "rival.nc")
    assert archive.members
    assert archive.rows["lead_days"].tolist() == [1, 2, 1, 2]
    assert archive.values[:, 0].tolist() == [0.0, 3.0, 6.0, 9.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.rename(stage="level"), None),
        (lambda ds: ds.rename(stage="level").drop_vars("p_alarm"), "one variable of value, stage"),
        (lambda ds: ds.isel(lead=0), "dimensions station, issue_time, lead"),
        (lambda ds: ds.rename(quantile="height"), "dimensions station, issue_time, lead"),
        (lambda ds: ds.drop_vars("lead"), "a coordinate of each dimension"),
    ],
)
def test_netcdf_that_is_none(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], message: str | None
) -> None:
    table = make_table(make_observed(), sd=0.2, seed=1, days=3)
    change(to_dataset(table, "days")).to_netcdf(tmp_path / "rival.nc", engine="h5netcdf")
    if message is None:
        assert read_rival(tmp_path / "rival.nc").levels == ()
        return
    with pytest.raises(BadGranule, match=message):
        read_rival(tmp_path / "rival.nc")


def test_units_of_netcdf_are_required(tmp_path: Path) -> None:
    ds = to_dataset(make_table(make_observed(), sd=0.2, seed=1, days=3), "days")
    ds["lead"].attrs["units"] = "weeks"
    ds.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(BadGranule, match="lead with units days or hours, found 'weeks'"):
        read_rival(tmp_path / "a.nc")
    ds["lead"].attrs["units"] = "days"
    del ds["stage"].attrs["units"]
    ds.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(BadGranule, match="expected the unit m or cm above gauge zero"):
        read_rival(tmp_path / "b.nc")


def test_discharge_is_known_by_its_unit(tmp_path: Path) -> None:
    archive = read_table(tmp_path, HEAD + "013901,2026-08-20T00:00Z,1,25000,m3/s\n")
    assert (archive.variable, archive.rows["point"].tolist()) == ("discharge", [25000.0])
