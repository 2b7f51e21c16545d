"""A ministry's own table: what its headings, columns and titles say of its readings."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.base import BadGranule, Skipped, WrongOption
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.own_table import OwnLayout
from tests.sources.gauges.table_cases import day, plain, values, write

DAYS = pd.date_range("2026-08-01", periods=20).strftime("%Y-%m-%d")


def own(heading: str, *row: str, title: str = "") -> str:
    """A row of every day, in which ``{day}`` and ``{level}`` stand for date and stage."""
    lines = [
        line.format(day=day, level=f"{9 + number / 20:.2f}")
        for number, day in enumerate(DAYS)
        for line in row
    ]
    return "\n".join([*([title] if title else []), heading, *lines]) + "\n"


def read(folder: Path, content: str, **names: str) -> pd.DataFrame:
    path = folder / "own.csv"
    path.write_text(content, encoding="utf-8")
    layout = {"station": "Code", "time": "Date+Time", "value": "Value", "unit": "m"}
    return gauge_files.read(path, OwnLayout(**(layout | {"zone": "+07:00"} | names)))


def summary(frame: pd.DataFrame) -> dict[str, tuple[int, float]]:
    """Number and first value of each variable and method."""
    groups = frame.groupby(["variable", "method"])["value"]
    return {f"{key[0]} {key[1]}": (len(part), part.iloc[0]) for key, part in groups}


LEVEL = "13901,{day},07:00,{level}"


@pytest.mark.parametrize("name", ["Parameter", "Variable", "Element", "param_code", "ประเภทข้อมูล"])
def test_a_column_of_the_parameter_is_used(tmp_path: Path, name: str) -> None:
    content = own(
        f"Code,Date,Time,{name},Value,Unit",
        "13901,{day},07:00,WL,{level},m",
        "13901,{day},07:00,RF,4.0,mm",
        "13901,{day},07:00,EV,4.5,mm",
    )
    frame = read(tmp_path, content, unit="Unit")
    assert summary(frame) == {"stage manual": (20, 9.0), "rain manual": (20, 4.0)}
    assert frame.attrs["said"][0].startswith("20 rows of ")
    assert frame.attrs["said"][0].endswith(" 'EV' are not used")
    of_level = read(tmp_path, content.replace("Value", "Level"), value="Level", unit="Unit")
    assert summary(of_level) == {"stage manual": (20, 9.0)}
    metres = read(tmp_path, content, unit="m")
    assert summary(metres) == {"stage manual": (20, 9.0)}


@pytest.mark.parametrize("name", ["Parameter", "Type", "Kind", "Source"])
def test_a_table_of_evaporation_is_no_rain(tmp_path: Path, name: str) -> None:
    content = own(f"Code,Date,Time,{name},Value", "13901,{day},07:00,Evaporation,4.5")
    with pytest.raises(Skipped, match=r"20 rows of .* 'Evaporation' are not used"):
        read(tmp_path, content, unit="mm")


def test_a_series_of_a_forecast_is_no_stage(tmp_path: Path) -> None:
    content = own("Code,Date,Time,Series,Value", "13901,{day},07:00,Forecast,{level}")
    with pytest.raises(Skipped, match="20 rows of series 'Forecast' are not used"):
        read(tmp_path, content)
    both = own(
        "Code,Date,Time,Parameter,Value",
        "13901,{day},07:00,WL observed,{level}", "13901,{day},07:00,WL forecast,12.5",
    )  # fmt: skip
    assert summary(read(tmp_path, both)) == {"stage manual": (20, 9.0)}
    plain = "station,variable,time,value,unit,series\n"
    rows = [f"013901,stage,{day}T07:00:00+07:00,9.5,m,Simulated\n" for day in DAYS]
    with pytest.raises(Skipped, match="'Simulated' are not used"):
        read(tmp_path, plain + "".join(rows))


def test_a_column_of_the_parameter_that_says_nothing_known_is_refused(tmp_path: Path) -> None:
    content = own("Code,Date,Time,Parameter,Value", "13901,{day},07:00,X17,{level}")
    with pytest.raises(BadGranule, match="discharge in the column parameter, found 'X17'"):
        read(tmp_path, content)


def test_means_by_heading_or_parameter_are_calculated(tmp_path: Path) -> None:
    heading = own("Code,Date,Time,Daily mean level", "13901,{day},07:00,{level}")
    frame = read(tmp_path, heading, value="Daily mean level")
    assert summary(frame) == {"stage calculated": (20, 9.0)}
    assert set(frame["ended"] - frame["valid_time"]) == {pd.Timedelta(days=1)}
    by_parameter = own("Code,Date,Time,Parameter,Value", "13901,{day},07:00,WL daily avg,{level}")
    assert summary(read(tmp_path, by_parameter)) == {"stage calculated": (20, 9.0)}


@pytest.mark.parametrize(
    ("heading", "reason"),
    [
        ("Water level change (m)", "a change"), ("Depth to water (m)", "a depth"),
        ("Groundwater level (m)", "not of a river"), ("Reservoir level (m)", "not of a river"),
        ("Max water level (m)", "an extreme"), ("Water depth (m)", "a depth"),
        ("Alarm level (m)", "a mark"), ("ระดับน้ำสูงสุด (ม.)", "an extreme"),
    ],
)  # fmt: skip
def test_headings_of_what_is_no_stage(tmp_path: Path, heading: str, reason: str) -> None:
    with pytest.raises(Skipped, match=f"is not used: {reason}"):
        read(tmp_path, own(f"Code,Date,Time,{heading}", LEVEL), value=heading)


@pytest.mark.parametrize(
    "heading", ["Water surface elevation (m)", "Elev. (m)", "ระดับน้ำ ม.(ร.ท.ก.)", "WL (m a.m.s.l.)"]
)
def test_headings_of_levels_above_the_sea(tmp_path: Path, heading: str) -> None:
    content = own(f"Code,Date,Time,{heading}", LEVEL)
    with pytest.raises(BadGranule, match="or a column called datum that says msl"):
        read(tmp_path, content, value=heading)
    with_datum = own(f"Code,Date,Time,{heading},Datum", "13901,{day},07:00,95.49,msl")
    frame = read(tmp_path, with_datum, value=heading)
    assert frame["value"].round(6).unique().tolist() == [9.0]


def test_millimetres_of_nothing_named_are_refused(tmp_path: Path) -> None:
    content = own("Code,Date,Time,Reading", "13901,{day},07:00,9050")
    with pytest.raises(BadGranule, match="for mm may be of either"):
        read(tmp_path, content, value="Reading", unit="mm")
    rain = read(
        tmp_path, content.replace("9050", "12").replace("Reading", "RF"), value="RF", unit="mm"
    )
    assert summary(rain) == {"rain manual": (20, 12.0)}


@pytest.mark.parametrize(
    "title",
    ["Forecast of water level by model, Pakse", "Simulated stages", "ระดับน้ำพยากรณ์ ปากเซ",
     "Daily maximum water level"],
)  # fmt: skip
def test_a_title_of_a_forecast_costs_the_file(tmp_path: Path, title: str) -> None:
    with pytest.raises(BadGranule, match="above the heading"):
        read(tmp_path, own("Code,Date,Time,Value", LEVEL, title=title), value="Value")


@pytest.mark.parametrize(
    "title",
    ["Hydrological Forecasting Division, observed water levels", "Sensor model: OTT RLS",
     "Pakse, maximum of 1978: 14.6 m", "ศูนย์พยากรณ์น้ำ"],
)  # fmt: skip
def test_a_title_that_only_names_an_office_does_not(tmp_path: Path, title: str) -> None:
    assert len(read(tmp_path, own("Code,Date,Time,Level", LEVEL, title=title), value="Level")) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"station": "Station"}, "as --station, found 'Station'; its columns are 'station code'"),
        ({"station": "Level"}, "expected another column as --value than as --station"),
        ({"station": "Other"}, "a column of station codes as --station, found the column 'Other'"),
        ({"station": "Pakxe1"}, "known code as --station, found 'Pakxe1'; did you mean 013901"),
        ({"unit": "Units"}, "one of the units m, cm, mm and m3/s as --unit, found 'Units'"),
    ],
)  # fmt: skip
def test_options_that_are_neither_a_column_nor_known(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    content = own("Station Code,Date,Time,Level,Other", LEVEL + ",8.05")
    names = {"station": "Station Code", "value": "Level"} | options
    with pytest.raises((WrongOption, ValueError), match=re.escape(message)):
        read(tmp_path, content, **names)
    new = read(tmp_path, content, value="Level", station="kwater-1001620")
    assert set(new["station"]) == {"kwater-1001620"}


@pytest.mark.parametrize(
    ("heading", "zone", "refused"),
    [
        ("Time (UTC)", "+07:00", True), ("Time (UTC+7)", "+07:00", False),
        ("Time (GMT+07:00)", "Asia/Bangkok", False), ("Time (ICT)", "UTC", True),
        ("Bangkok time", "+06:30", True), ("Time_UTC", "+07:00", True),
        ("Time (Z)", "UTC", False), ("Time (local)", "+07:00", False),
        ("Time", "+07:00", False),
    ],
)  # fmt: skip
def test_a_heading_that_names_another_zone_is_refused(
    tmp_path: Path, heading: str, zone: str, refused: bool
) -> None:
    content = own(f"Code,{heading},Level", "13901,{day} 07:00,{level}")
    if refused:
        with pytest.raises(BadGranule, match=re.escape(f"times in --tz {zone}, found '{heading}'")):
            read(tmp_path, content, time=heading, value="Level", zone=zone)
    else:
        assert len(read(tmp_path, content, time=heading, value="Level", zone=zone)) == 20
    titled = own("Code,Date,Time,Level", LEVEL, title="All times are UTC")
    with pytest.raises(BadGranule, match="times in --tz \\+07:00, found 'All times are UTC'"):
        read(tmp_path, titled, value="Level")


@pytest.mark.parametrize("quantity", ["RF", "forecast", "Discharge"])
@pytest.mark.parametrize("column", ["Parameter", "type"])
def test_a_blank_below_another_quantity_is_a_bad_row(
    tmp_path: Path, column: str, quantity: str
) -> None:
    rows = [f"13901,{day},07:00,WL,9.0" for day in DAYS]
    rows += [f"13901,2026-08-21,07:00,{quantity},4.0", "13901,2026-08-22,07:00,,4.5"]
    frame = read(tmp_path, "\n".join([f"Code,Date,Time,{column},Level", *rows]), value="Level")
    assert frame["value"].tolist() == [9.0] * 20
    assert frame.attrs["bad_rows"] == [
        f"line 23: expected a quantity in the column {column.casefold()}, found ''"
    ]


@pytest.mark.parametrize(
    ("heading", "row", "title", "message"),
    [
        ("Station,Date,Time,Level", "13402,{day},07:00,{level}", "",
         "'13402' in the column 'station'"),
        ("Gauge,Station name,Date,Time,Level", "1,Mukdahan,{day},07:00,{level}", "",
         "'Mukdahan' in the column 'station name'"),
        ("Date,Time,Level", "{day},07:00,{level}", "Station code,013402", "above the heading"),
    ],
)  # fmt: skip
def test_a_file_that_names_another_gauge_than_the_option_is_refused(
    tmp_path: Path, heading: str, row: str, title: str, message: str
) -> None:
    content = own(heading, row, title=title)
    with pytest.raises(BadGranule, match=f"expected station 013901 as --station, .*{message}"):
        read(tmp_path, content, station="13901", value="Level")
    right = own(heading, row, title=title)
    assert len(read(tmp_path, right, station="13402", value="Level")) == 20
    path = tmp_path / "013402_Mukdahan.csv"
    path.write_text(own("Date,Time,Level", "{day},07:00,{level}"), encoding="utf-8")
    with pytest.raises(BadGranule, match="'013402_Mukdahan' in the name of the file"):
        gauge_files.read(path, OwnLayout("013901", "Date+Time", "Level", "m", zone="+07:00"))


@pytest.mark.parametrize(
    ("heading", "row", "title", "message"),
    [
        ("Date,Time,Level,Unit", "{day},07:00,{level},m", "", "'m' in the column 'unit'"),
        ("Date,Time,Level", "{day},07:00,{level}", "Unit: m", "above the heading"),
    ],
)  # fmt: skip
def test_a_file_that_names_another_unit_than_the_option_is_refused(
    tmp_path: Path, heading: str, row: str, title: str, message: str
) -> None:
    content = own(heading, row, title=title)
    with pytest.raises(BadGranule, match=f"expected unit cm as --unit, found .*{message}"):
        read(tmp_path, content, station="13901", value="Level", unit="cm")
    assert len(read(tmp_path, content, station="13901", value="Level")) == 20


def test_a_row_of_units_and_single_rows_in_another_unit(tmp_path: Path) -> None:
    units = "Date,Time,Level\n,,(m)\n" + own("", "{day},07:00,{level}").lstrip()
    with pytest.raises(BadGranule, match=r"unit cm as --unit, found '\(m\)' below the heading"):
        read(tmp_path, units, station="13901", value="Level", unit="cm")
    mixed = own("Date,Time,Level,Unit", "{day},07:00,{level},m") + "2026-08-21,07:00,920,cm\n"
    frame = read(tmp_path, mixed, station="13901", value="Level")
    assert len(frame) == 20
    assert frame.attrs["bad_rows"] == ["line 22: expected unit m as --unit, found 'cm'"]


THAI = """กรมชลประทาน;;;
รหัส;วันที่;เวลา;ระดับน้ำ
13901;20/08/2569;07:00;9,80
13901;19/08/2569;07:00;9,40
13901;1/08/2569;07:00;-
"""


def test_a_ministrys_own_table(tmp_path: Path) -> None:
    layout = OwnLayout("รหัส", "วันที่+เวลา", "ระดับน้ำ", "m", zone="Asia/Bangkok")
    path = write(tmp_path, "rid.csv", THAI.encode("cp874"))
    frame = gauge_files.read(path, layout)
    assert values(frame) == {"08-19 00:00": 9.4, "08-20 00:00": 9.8}
    assert set(frame["valid_time"].dt.year) == {2026}
    assert set(frame["station"]) == {"013901"}
    with pytest.raises(BadGranule, match="another format of readings"):
        gauge_files.read(path)
    plain_frame = gauge_files.read(write(tmp_path, "agency.csv", plain(day(18, 9.1))), layout)
    assert values(plain_frame) == {"08-18 00:00": 9.1}, "a known layout beside it is read as ever"


def test_constants_decimal_sign_and_zone_of_an_own_table(tmp_path: Path) -> None:
    content = 'When,Level,Remark\n2026-08-18 07:00,"9.100,5",x\n2026-08-19 07:00,"9.412",y\n'
    layout = OwnLayout("Pakse", "when", "LEVEL", "mm", zone="+06:30", decimal=",")
    frame = gauge_files.read(write(tmp_path, "own.csv", content), layout)
    assert values(frame) == {"08-18 00:30": 9.1005, "08-19 00:30": 9.412}
    assert frame.attrs["said"] == [
        "columns that are not used: 'remark'", "Pakse is read as 013901 (Pakse)"
    ]  # fmt: skip
    with pytest.raises(BadGranule, match="columns called moment, level, found a file"):
        gauge_files.read(tmp_path / "own.csv", OwnLayout("Pakse", "moment", "level", "m"))
    for bad in ({"zone": "ICT"}, {"decimal": ";"}, {"unit": " "}):
        with pytest.raises(ValueError, match="expected"):
            OwnLayout(**({"station": "a", "time": "b", "value": "c", "unit": "m"} | bad))


def test_quality_and_datum_of_an_own_table_are_used(tmp_path: Path) -> None:
    content = "When,Level,Status,Datum\n2026-08-18 07:00,95.59,bad,MSL\n2026-08-19 07:00,9.4,ok,\n"
    layout = OwnLayout("013901", "When", "Level", "m", zone="+7")
    frame = gauge_files.read(write(tmp_path, "own.csv", content), layout)
    assert frame["value"].round(6).tolist() == [9.1, 9.4]
    assert frame["qc"].tolist() == ["suspect", "good"]
    with pytest.raises(BadGranule, match="a column called 'offset'"):
        gauge_files.read(write(tmp_path, "own.csv", content.replace("Status", "Offset")), layout)


def test_rain_and_discharge_of_an_own_table(tmp_path: Path) -> None:
    content = "t,v\n2026-08-18T00:00Z,12.5\n"
    for unit, variable in (
        ("m3/s", "discharge"),
        ("cumec", "discharge"),
        ("m", "stage"),
    ):
        frame = gauge_files.read(
            write(tmp_path, "o.csv", content), OwnLayout("013901", "t", "v", unit)
        )
        assert frame["variable"].tolist() == [variable]
    with pytest.raises(BadGranule, match="says rain or level, for mm may be of either"):
        gauge_files.read(tmp_path / "o.csv", OwnLayout("013901", "t", "v", "mm"))


@pytest.mark.parametrize(
    ("heading", "unit", "message"),
    [
        ("Level (ft)", "m", "expected unit ft as the column 'level (ft)' says, found 'm'"),
        ("Level (cm)", "m", "expected unit cm as the column 'level (cm)' says, found 'm'"),
        ("WL_cm", "m", "expected unit cm as the column 'wl cm' says, found 'm'"),
        ("ระดับน้ำ [ซม.]", "m", "expected unit cm as the column"),
        ("Rainfall", "m", "expected a unit of rain as in the column 'rainfall', found 'm'"),
        ("Discharge", "m", "expected a unit of discharge as in the column 'discharge', found 'm'"),
        ("Level", "m3/s", "expected a unit of stage as in the column 'level', found 'm3/s'"),
    ],
)
def test_a_heading_that_contradicts_the_unit_costs_an_own_table(
    tmp_path: Path, heading: str, unit: str, message: str
) -> None:
    path = write(tmp_path, "own.csv", f"t,{heading}\n2026-08-18T00:00Z,9.5\n")
    with pytest.raises(BadGranule, match=re.escape(message)):
        gauge_files.read(path, OwnLayout("013901", "t", heading, unit))


@pytest.mark.parametrize(
    ("heading", "unit", "value", "expected"),
    [
        ("WL", "mm", 9310, ("stage", 9.31)),
        ("Rainfall", "cm", 3, ("rain", 30.0)),
        ("Level (cm)", "cm", 931, ("stage", 9.31)),
        ("Level (m above gauge zero)", "เมตร", 9.31, ("stage", 9.31)),
        ("v", "ｍ", 9.31, ("stage", 9.31)),
        ("v", "m (gauge)", 9.31, ("stage", 9.31)),
    ],
)
def test_the_kind_of_an_own_table_is_what_its_column_is_called(
    tmp_path: Path, heading: str, unit: str, value: float, expected: tuple[str, float]
) -> None:
    path = write(tmp_path, "own.csv", f"t,{heading}\n2026-08-18T00:00Z,{value}\n")
    frame = gauge_files.read(path, OwnLayout("013901", "t", heading, unit)).iloc[0]
    assert (frame["variable"], frame["value"]) == expected


def test_a_forecast_is_no_column_of_observed_values(tmp_path: Path) -> None:
    path = write(tmp_path, "own.csv", "t,Forecast Level\n2026-08-18T00:00Z,9.5\n")
    with pytest.raises(Skipped, match="'forecast level' is not used: a forecast"):
        gauge_files.read(path, OwnLayout("013901", "t", "Forecast Level", "m"))
