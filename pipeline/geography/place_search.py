"""Find a city or gauge by what people call it: id, name in any language, or the gauge's code."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from difflib import get_close_matches

from pipeline.choices import Region
from pipeline.geography.places import City, Station, cities, stations
from pipeline.geography.reference_tables import edition

LEAST_LIKENESS = 0.6
"""Likeness by ``difflib`` from which a name is near another."""


def find_city(text: str, *, region: Region = "mekong", asof: datetime | None = None) -> City:
    """Find a city by its id, its name in any case and language, or the code of its gauge.

    Parameters
    ----------
    text
        Id, name or code.
    region
        Region of the cities.
    asof
        Rows of the tables that count at this moment; default the newest.

    Raises
    ------
    LookupError
        No city is called so; the message has the names that are near.

    Examples
    --------
    >>> find_city("PAKSE").id, find_city("013901").id, find_city("ปากเซ").id
    ('pakse', 'pakse', 'pakse')
    >>> find_city("13901").id  # as a spreadsheet leaves it
    'pakse'
    >>> find_city("Pakze")
    Traceback (most recent call last):
    LookupError: city: expected an id, a name or the code of a gauge, found 'Pakze'; near: ...
    """
    by_name = _list_cities(region, asof)
    key = _simplify(text)
    if key not in by_name:
        near = get_close_matches(key, by_name, n=4, cutoff=LEAST_LIKENESS)
        names = dict.fromkeys(by_name[name].name for name in near)
        known = dict.fromkeys(city.name for city in by_name.values())
        hint = f"near: {', '.join(names)}" if near else f"known: {', '.join(known)}"
        raise LookupError(
            f"city: expected an id, a name or the code of a gauge, found {text!r}; {hint}"
        )
    return by_name[key]


def find_gauge(text: str, *, region: Region = "mekong", asof: datetime | None = None) -> Station:
    """Find the gauge of a city, or any gauge by its code or name.

    Parameters
    ----------
    text
        As of :func:`find_city`, or the code or name of a gauge without a city.
    region, asof
        As of :func:`find_city`.

    Raises
    ------
    LookupError
        No city or gauge is called so, or the city has no gauge.

    Examples
    --------
    >>> find_gauge("pakse").code, find_gauge("Kampong Luong").code, find_gauge("20106").code
    ('013901', '020106', '020106')
    >>> find_gauge("Siem Reap")
    Traceback (most recent call last):
    LookupError: Siem Reap has no gauge: its floods are assessed by rain alone
    """
    gauges = stations(asof=asof)
    for code in (text, text.strip().zfill(6)):  # a spreadsheet drops the noughts of a code
        if code in gauges:
            return gauges[code]
    try:
        city = find_city(text, region=region, asof=asof)
    except LookupError:
        names = {_simplify(gauge.name): gauge for gauge in gauges.values()}
        if _simplify(text) in names:
            return names[_simplify(text)]
        raise
    if city.station is None:
        raise LookupError(f"{city.name} has no gauge: its floods are assessed by rain alone")
    return gauges[city.station]


def _list_cities(region: Region, asof: datetime | None) -> dict[str, City]:
    """Cities by everything that they are called, in one spelling."""
    towns = cities(region, asof=asof)
    names = {
        _simplify(row["name"]): towns[row["id"]]
        for row in edition(asof).rows("names.csv")
        if row["kind"] == "city" and row["id"] in towns
    }
    for city in towns.values():
        code = city.station or ""
        for name in filter(None, (city.name, city.id, code, code.lstrip("0"))):
            names[_simplify(name)] = city
    return names


def _simplify(text: str) -> str:
    """Spell a name without case, accents, and what parts its words.

    Examples
    --------
    >>> _simplify(" Cần_Thơ "), _simplify("Siem-Reap")
    ('cantho', 'siemreap')
    """
    latin = unicodedata.normalize("NFKD", text.casefold())
    return "".join(
        letter
        for letter in latin
        if not (0x300 <= ord(letter) < 0x370 or letter.isspace() or letter in "_-'’.")
    )
