"""What people call a city or a gauge."""

from __future__ import annotations

import pytest

from pipeline.geography.place_search import find_city, find_gauge
from pipeline.geography.places import cities


@pytest.mark.parametrize(
    "text", ["can_tho", "Can Tho", " CAN-THO ", "Cần Thơ", "039803"], ids=ascii
)
def test_a_city_has_many_spellings(text: str) -> None:
    assert find_city(text).id == "can_tho"


def test_every_city_is_found_by_id_name_and_gauge() -> None:
    for region in ("mekong", "asean"):
        for city in cities(region).values():
            for text in filter(None, (city.id, city.name, city.station)):
                assert find_city(text, region=region) == city


def test_cities_of_another_region_are_not_found() -> None:
    assert find_city("Singapore", region="asean").id == "singapore"
    with pytest.raises(LookupError, match="found 'Singapore'"):
        find_city("Singapore")


def test_a_code_is_found_without_its_noughts() -> None:
    assert find_city("13901").id == "pakse"
    assert find_gauge("13901").code == find_gauge("013901").code == "013901"


def test_an_unknown_name_has_those_that_are_near() -> None:
    with pytest.raises(LookupError, match=r"found 'Vientian'; near: Vientiane$"):
        find_city("Vientian")
    with pytest.raises(LookupError, match=r"found 'x'; known: Jinghong, .*Tam Ky$"):
        find_city("x")


def test_a_gauge_is_that_of_the_city_or_of_its_own_name() -> None:
    assert find_gauge("Phnom Penh").code == "033401"
    assert find_gauge("Phnom Penh Port").code == find_gauge("020101").code == "020101"
    with pytest.raises(LookupError, match=r"^Khon Kaen has no gauge"):
        find_gauge("khon_kaen")
    with pytest.raises(LookupError, match="near: Kratie"):
        find_gauge("Kratje")
