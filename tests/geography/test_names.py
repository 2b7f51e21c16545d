"""Names of cities and gauges in the languages of the messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.alerts.templates import LANGUAGES
from pipeline.geography import reference_tables
from pipeline.geography.names import city_name, country_name, station_name
from pipeline.geography.places import cities, stations
from pipeline.geography.reference_check import check_reference
from pipeline.geography.reference_schema import TRANSLATIONS
from pipeline.geography.reference_tables import edition

HEADER = "id,kind,language,name,source,confidence,reviewed"


def test_names_of_at_least_medium_confidence_are_used() -> None:
    towns, gauges = cities(), stations()
    assert city_name(towns["vientiane"], "lo") == "ວຽງຈັນ"
    assert city_name(towns["paksane"], "km") == "ប៉ាកសាន", "medium"
    assert city_name(towns["thakhek"], "km") == "Thakhek", "low"
    assert city_name(towns["koh_khel"], "th") == "Koh Khel", "none on record"
    assert city_name(towns["tan_chau"], "en") == "Tan Chau"
    assert city_name(towns["tan_chau"], "vi") == "Tân Châu"
    assert station_name(gauges["033401"], "zh") == "四臂湾", "the gauge's own name"
    assert station_name(gauges["011901"], "lo") == "Vientiane KM4", "low; not that of the city"
    assert station_name(gauges["012002"], "th") == "หนองคาย", "as the city of the same name"
    assert station_name(gauges["092600"], "km") == "Jinghong", "the city's name is low too"


def test_every_row_is_of_a_place_and_unreviewed_names_say_so() -> None:
    rows = edition().rows("names.csv")
    assert {row["language"] for row in rows} == {*TRANSLATIONS}
    assert {row["reviewed"] for row in rows} == {"false"}
    vietnamese = {row["id"] for row in rows if row["language"] == "vi"}
    assert vietnamese >= cities("asean").keys()


def test_an_agency_names_its_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "names.csv").write_text(
        f"{HEADER}\nthakhek,city,km,ថាខែក,the ministry,high,true\n", encoding="utf-8"
    )
    assert [str(finding) for finding in check_reference(tmp_path)] == [
        "names.csv line 2: city, thakhek, km: in place of the project's row"
    ]
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", str(tmp_path))
    reference_tables.tables.cache_clear()
    name = city_name(cities()["thakhek"], "km")
    reference_tables.tables.cache_clear()
    assert name == "ថាខែក"


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        ("011901,city,km,x,x,high,true", "id: expected a row of cities.csv, found '011901'"),
        ("pakse,station,km,x,x,high,true", "id: expected a row of stations.csv, found 'pakse'"),
        ("default,city,km,x,x,high,true", "id: expected text like"),
        ("pakse,city,fr,x,x,high,true", "language: expected one of km, lo, th, vi, my, zh"),
        ("pakse,city,km,x,x,sure,true", "confidence: expected one of high, medium, low"),
        ("pakse,city,km,,x,high,true", "name: expected a value"),
    ],
)
def test_a_faulty_name_is_refused(tmp_path: Path, row: str, finding: str) -> None:
    (tmp_path / "names.csv").write_text(f"{HEADER}\n{row}\n")
    [fault] = check_reference(tmp_path)
    assert fault.wrong
    assert str(fault).startswith(f"names.csv line 2: {finding}")


def test_every_country_of_the_cities_has_a_name() -> None:
    countries = {city.country for city in cities("asean").values()}
    assert all(country_name(code) != code for code in countries)
    assert country_name("KH") == "Cambodia"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_country_is_named_in_every_language(language: str) -> None:
    countries = {city.country for city in cities("asean").values()}
    named = {country_name(code, language) for code in countries}
    assert len(named) == len(countries)
    assert not any("(" in name for name in named), "no former name"
    assert (country_name("TH", language) == "Thailand") == (language == "en")
