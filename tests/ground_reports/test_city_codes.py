from __future__ import annotations

import csv
from itertools import product

import pytest

from pipeline.geography.places import cities
from pipeline.ground_reports import city_codes
from pipeline.settings import REFERENCE
from tests.conftest import LayOver

NUMBERS = [f"{number:02d}" for number in range(100)]
FIRST_NUMBERED = (
    "jinghong chiang_saen chiang_rai luang_prabang chiang_khan vientiane nong_khai bueng_kan "
    "paksane nakhon_phanom thakhek mukdahan savannakhet khon_kaen ubon_ratchathani khong_chiam "
    "pakse stung_treng kratie kampong_cham phnom_penh prek_kdam siem_reap battambang neak_luong "
    "koh_khel tan_chau chau_doc vinh_long can_tho nay_pyi_taw mandalay yangon bangkok chonburi "
    "phuket da_nang hanoi ho_chi_minh_city tam_ky bandar_seri_begawan banyuwangi jakarta makassar "
    "johor_bahru kota_kinabalu kuala_lumpur kuching cebu_city davao_city manila singapore"
)
"""Cities numbered from 10 on; cards with these numbers may be in people's hands."""


def test_a_mistyped_number_has_another_letter() -> None:
    letters = {number: city_codes.check_letter(number) for number in NUMBERS}
    for number, other in product(NUMBERS, "0123456789"):
        first, second = number[0], number[1]
        for wrong in (other + second, first + other, second + first):
            assert wrong == number or letters[wrong] != letters[number]


def test_two_digits_alone_could_tell_apart_ten_cities_only() -> None:
    # Of two numbers with the same first digit one is a mistyped other, and there are ten digits.
    assert len(cities("asean")) > 10


def test_letters_are_no_digits_and_no_part_of_a_word() -> None:
    assert len(set(city_codes.LETTERS)) == 11
    assert not set(city_codes.LETTERS) & set("OQILZSBGFLDRCMH")


def test_numbers_once_given_are_kept() -> None:
    with (REFERENCE / "report_numbers.csv").open(encoding="utf-8") as stream:
        numbers = {row["number"]: row["city"] for row in csv.DictReader(stream)}
    kept = {str(number): city for number, city in enumerate(FIRST_NUMBERED.split(), 10)}
    assert {number: numbers.get(number) for number in kept} == kept


def test_every_city_has_one_number() -> None:
    numbers = city_codes.cities_by_number("asean")
    assert sorted(city.id for city in numbers.values()) == sorted(cities("asean"))
    assert len(city_codes.cities_by_number()) == len(cities())


def test_a_city_of_an_agency_has_no_code_until_it_gets_one(lay_over: LayOver) -> None:
    with (REFERENCE / "cities.csv").open(encoding="utf-8") as stream:
        head, *rows = stream.read().splitlines()
    row = next(row for row in rows if row.startswith("pakse,"))
    lay_over("cities.csv", head, row.replace("pakse,Pakse", "champasak,Champasak"))
    with pytest.raises(LookupError, match="expected a number of champasak"):
        city_codes.city_code(cities()["champasak"])
    lay_over("report_numbers.csv", "number,city", "90,champasak")
    assert city_codes.city_code(cities()["champasak"]) == "90T"
