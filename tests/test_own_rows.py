"""Rows that are added to an agency's own tables."""

from __future__ import annotations

import csv
import errno
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.geography.places import cities, stations
from pipeline.geography.reference_tables import BadReference, ReferenceTables
from pipeline.own_rows import (
    OwnCity,
    OwnGauge,
    add_city,
    add_gauge,
    add_rows,
    find_basin,
    list_gauges_around,
)
from pipeline.settings import REFERENCE
from tests.conftest import LayOver

GAUGE = OwnGauge(
    code="LA-9001", name="Ban Tha", river="Nam Khan", country="LA", lat=19.75, lon=102.3,
    source="made up", alarm_m=5.5, flood_m=6.5,
)  # fmt: skip
CITY = OwnCity(name="Ban Thà", country="LA", lat=19.75, lon=102.3, source="made up")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_gauge_has_its_rows_in_three_tables(tmp_path: Path) -> None:
    added = add_gauge(replace(GAUGE, upstream=("011201", "010501"), verified=True), tmp_path)
    assert [str(finding) for finding in added] == [
        "stations.csv line 2: LA-9001",
        "station_figures.csv line 2: LA-9001, latitude",
        "station_figures.csv line 3: LA-9001, longitude",
        "thresholds.csv line 2: LA-9001, alarm",
        "thresholds.csv line 3: LA-9001, flood",
    ]
    (station,) = read(tmp_path / "stations.csv")
    assert station["basin"] == "nam_ou"
    assert station["upstream"] == "011201 010501"
    assert [row["value"] for row in read(tmp_path / "station_figures.csv")] == ["19.75", "102.3"]
    assert {row["verified"] for row in read(tmp_path / "thresholds.csv")} == {"V"}
    assert ReferenceTables(REFERENCE, tmp_path).agency.keys() == {
        "stations.csv", "station_figures.csv", "thresholds.csv",
    }  # fmt: skip


def test_a_gauge_without_stages_has_no_row_of_them(tmp_path: Path) -> None:
    add_gauge(replace(GAUGE, alarm_m=None, flood_m=None), tmp_path)
    assert not (tmp_path / "thresholds.csv").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"code": "013901"}, r"expected a new code, found 013901 \(Pakse\)"),
        ({"code": "13901"}, r"files of readings use for 013901 \(Pakse\)"),
        ({"code": "LA013901"}, r"files of readings use for 013901 \(Pakse\)"),
        ({"lat": 13.75, "lon": 100.5}, "expected a place in a sub-basin of the Mekong"),
    ],
)
def test_a_gauge_that_is_known_or_elsewhere_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(LookupError, match=message):
        add_gauge(replace(GAUGE, **change), tmp_path)  # type: ignore[arg-type]
    assert not [*tmp_path.iterdir()]


def test_rows_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    add_gauge(GAUGE, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(BadReference, match="expected flood above alarm, found 6 m and 7 m"):
        add_gauge(replace(GAUGE, code="LA-9002", alarm_m=7.0, flood_m=6.0), tmp_path)
    with pytest.raises(BadReference, match=r"expected a row of stations\.csv, found '999999'"):
        add_gauge(replace(GAUGE, code="LA-9002", upstream=("999999",)), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_disk_that_fills_leaves_the_tables_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_gauge(GAUGE, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    written = list[Path]()

    def copy(source: Path, target: Path, **_: object) -> None:
        written.extend([target] if target.suffix == ".part" else [])
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(shutil, "copyfile", copy)
    with pytest.raises(OSError, match="No space left"):
        add_gauge(replace(GAUGE, code="LA-9002"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_city_takes_zone_clocks_hazards_and_a_number(tmp_path: Path) -> None:
    added = add_city(replace(CITY, gauge="011201"), tmp_path)
    assert [str(row) for row in added] == [
        "cities.csv line 2: ban_tha", "report_numbers.csv line 2: 99",
    ]  # fmt: skip
    (row,) = read(tmp_path / "cities.csv")
    assert (row["id"], row["basin"], row["station"]) == ("ban_tha", "nam_ou", "011201")
    assert (row["hazards"], row["utc_offset_h"]) == ("river pluvial drought", "7")
    assert (row["in_basin"], row["verified"]) == ("true", "M")


def test_a_city_without_a_gauge_has_no_river(tmp_path: Path) -> None:
    add_city(replace(CITY, name="Hue", country="VN", lat=16.46, lon=107.59), tmp_path)
    (row,) = read(tmp_path / "cities.csv")
    assert (row["hazards"], row["station"], row["in_basin"]) == ("pluvial drought", "", "false")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Pakse"}, r"expected a new name, found pakse \(Pakse\)"),
        ({"name": "ບ້ານ"}, "expected a name in Latin letters, found ບ້ານ"),
        ({"lat": 102.3, "lon": 19.75}, "expected degrees of latitude and longitude, found 102.3"),
        ({"lat": float("nan")}, "expected degrees of latitude and longitude, found nan"),
        ({"lat": -31.9, "lon": 115.9}, "expected a place on the grid with 25 km around it"),
        ({"country": "AU"}, "expected a country of BN, CN, ID, .* found 'AU'"),
        ({"gauge": "LA-9001"}, "add it first: mekong gauges add"),
    ],
)
def test_a_city_that_cannot_be_assessed_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(LookupError, match=message):
        add_city(replace(CITY, **change), tmp_path)  # type: ignore[arg-type]
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["La", "x" * 65])
def test_an_id_makes_names_of_files_that_are_its_own(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadReference, match=r"cities.csv line 2: id: expected text like"):
        add_city(replace(CITY, name=name), tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_number_is_never_given_twice(tmp_path: Path, lay_over: LayOver) -> None:
    lay_over("report_numbers.csv", "number,city", "99,pakse", "97,pakse")
    add_city(CITY, tmp_path)
    assert read(tmp_path / "report_numbers.csv")[0]["number"] == "98"


def test_rows_are_added_to_a_table_with_fewer_columns(tmp_path: Path) -> None:
    table = tmp_path / "thresholds.csv"
    table.write_text(
        "\ufeffstation,kind,value,unit,source,as_of,verified\n010501,alarm,11,m,x,2026-10-01,V\n",
        encoding="utf-8",
    )
    row = {"station": "011201", "kind": "alarm", "value": "17", "unit": "m", "source": "y"}
    (added,) = add_rows(tmp_path, {"thresholds.csv": [row | {"verified": "V"}]})
    assert added.line == 3
    assert [row["as_of"] for row in read(table)] == ["2026-10-01", ""]


def test_rows_that_stand_there_keep_every_cell(tmp_path: Path) -> None:
    add_gauge(replace(GAUGE, lat=19.7512345), tmp_path)
    assert read(tmp_path / "station_figures.csv")[0]["value"] == "19.7512345"
    path = tmp_path / "stations.csv"
    path.write_text(path.read_text("utf-8").replace(",river,", ", river ,", 1), encoding="utf-8")
    add_gauge(replace(GAUGE, code="LA-9002", name="Ban Nua"), tmp_path)
    assert [row["river"] for row in read(path)] == [GAUGE.river] * 2


def test_gauges_around_leave_out_the_outlet() -> None:
    assert list_gauges_around("nam_ou") == ["010501", "092600"]
    assert stations()["011201"].basin == "nam_ou"
    assert find_basin(cities()["pakse"].lat, cities()["pakse"].lon) is not None
