"""Codes of stations: spellings that are resolved, near misses that are refused, new ones."""

from __future__ import annotations

import pytest

from pipeline.geography.places import stations
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve
from tests.conftest import LayOver


@pytest.mark.parametrize(
    ("text", "code"),
    [("013901", "013901"), (" 013901 ", "013901"), ("13901", "013901"), ("13901.0", "013901"),
     ("013901.00", "013901"), ("LA013901", "013901"), ("LA_013901", "013901"),
     ("la-13901", "013901"), ("'013901", "013901"), ('="013901"', "013901"), ("Pakse", "013901"),
     ("PAKSE", "013901"), ("Paksé", "013901"), ("Pak Se", "013901"), ("Pakxe", "013901"),
     ("Pakse (013901)", "013901"), ("LA_013901_[Pakse]", "013901"), ("Paksane", "012703"),
     ("Chaktomuk", "033401"), ("Phnom Penh (Bassac)", "033401"), ("Phnom Penh Port", "020101"),
     ("Châu Đốc", "039801"), ("Can Tho", "039803"), ("Cần Thơ", "039803"), ("TÂN CHÂU", "019803"),
     ("นครพนม", "013101"), ("Vientiane", "011901"), ("luang-prabang", "011201"),
     ("Kompong Cham", "019802"), ("CN092600", "092600"), ("92600", "092600"),
     ("1.3901E4", "013901"), ("1.3901E+04", "013901"), ("1,3901e+4", "013901"),
     ("0013901", "013901"), ("000013901", "013901"), ("9.26E+04", "092600")],
)  # fmt: skip
def test_spellings_of_a_gauge_of_the_table(text: str, code: str) -> None:
    resolved, remark = resolve(text)
    assert resolved == code
    name = stations()[code].name
    assert remark == ("" if text == code else f"{text} is read as {code} ({name})")


@pytest.mark.parametrize(
    ("text", "meant"),
    [("TH013901", r"013901 \(Pakse\)"), ("Pakse2", r"013901 \(Pakse\)"), ("13910", "013901"),
     ("Phnom Penh", r"033401 \(Chaktomuk\) or 020101 \(Phnom Penh Port\)"),
     ("Nong Khai", r"012001 \(Nong Khai\) or 012002 \(Nong Khai\)"),
     ("013901-old", r"013901 \(Pakse\)"), ("Paksane (013901)", r"013901 \(Pakse\)"),
     ("O13901", "013901"), ("o139o1", "013901"), ("0I3901", "013901"), ("013-901", "013901"),
     ("013.901", "013901"), ("13,901", "013901"), ("013 901", "013901"), ("LAO13901", "013901"),
     ("LA-013-901", "013901"), ("1.391E4", "013901"), ("1.39014E4", "013901"),
     ("0139011", "013901"), ("013901b", "013901"), ("13902", "013901")],
)  # fmt: skip
def test_what_is_close_to_a_gauge_is_refused_with_its_code(text: str, meant: str) -> None:
    with pytest.raises(UnknownStationError, match=rf"^found '{text}'; did you mean {meant}".replace(
        "(013901)'", r"\(013901\)'")):  # fmt: skip
        resolve(text)


@pytest.mark.parametrize("text", ["", "1", "123", "12345", "ab", "a b", "../../x", "x" * 40])
def test_no_code_at_all(text: str) -> None:
    with pytest.raises(UnknownStationError, match=r"^found "):
        resolve(text)


@pytest.mark.parametrize(
    "text",
    ["999999", "kwater-1001620", "1018683", "USGS-01646500", "0101868", "agency-13901"],
)
def test_a_new_station_is_said_to_be_new(text: str) -> None:
    assert resolve(text) == (text, f"station {text} is new: the table of stations has none")


def test_a_new_code_close_to_a_known_one_asks() -> None:
    assert resolve("013911") == (
        "013911",
        "station 013911 is new: the table of stations has none; did you mean 013901 (Pakse)?",
    )


def test_in_a_layout_of_six_digits_words_are_refused() -> None:
    with pytest.raises(UnknownStationError, match="found 'H_39'"):
        resolve("H_39", six_digits=True)
    assert resolve("999999", six_digits=True)[0] == "999999"


@pytest.mark.parametrize("code", ["LA-9001", "LA9001", "KH_TS.01"])
def test_the_code_of_an_agencys_own_row_has_any_form(code: str, lay_over: LayOver) -> None:
    lay_over(
        "stations.csv",
        "code,name,river,country,tidal,basin",
        f"{code},Ban Tha {code},Nam Khan,LA,false,nam_ou",
    )
    lay_over(
        "station_figures.csv",
        "station,quantity,value,unit,source,verified",
        f"{code},latitude,19.75,degrees_north,x,V",
        f"{code},longitude,102.3,degrees_east,x,V",
    )
    assert resolve(code) == (code, "")
