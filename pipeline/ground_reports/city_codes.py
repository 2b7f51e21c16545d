"""Codes of the cities on the cards: two digits and a check letter, as ``17U``."""

from __future__ import annotations

from datetime import datetime

from pipeline.choices import Region
from pipeline.geography.places import City, cities
from pipeline.geography.reference_tables import edition

LETTERS = "AEKNPTUVWXY"
"""Check letters: as many as the prime 11, none of them taken for a digit or used in FL, DR, cm."""


def check_letter(number: str) -> str:
    """Return the check letter of a number of two digits.

    It is that of ISBN-10's weights: ``(3 a + 2 b) mod 11`` of the digits a and b. Another digit in
    one place, or the two digits exchanged, always has another letter.

    Examples
    --------
    >>> check_letter("17"), check_letter("71"), check_letter("18")
    ('U', 'E', 'W')
    """
    first, second = map(int, number)
    return LETTERS[(3 * first + 2 * second) % len(LETTERS)]


def cities_by_number(region: Region = "mekong", *, asof: datetime | None = None) -> dict[str, City]:
    """Cities of a region by the number in their code, as of a moment; without one a city is absent.

    Examples
    --------
    >>> cities_by_number()["17"].id
    'bueng_kan'
    """
    towns = cities(region, asof=asof)
    rows = edition(asof).rows("report_numbers.csv")
    return {row["number"]: towns[row["city"]] for row in rows if row["city"] in towns}


def city_code(city: City, *, asof: datetime | None = None) -> str:
    """Return the code of a city: its number and the check letter.

    Raises
    ------
    LookupError
        The city has no number.

    Examples
    --------
    >>> city_code(cities()["bueng_kan"])
    '17U'
    """
    for row in edition(asof).rows("report_numbers.csv"):
        if row["city"] == city.id:
            return row["number"] + check_letter(row["number"])
    raise LookupError(
        f"expected a number of {city.id} in report_numbers.csv, found none; give it a row there"
    )
