"""Names of cities, gauges and countries in the languages of the messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from babel import Locale

from pipeline.geography.places import City, Station, cities
from pipeline.geography.reference_tables import Edition, edition

_CERTAIN = ("high", "medium")
"""Confidence from which a name stands in a message."""
_COUNTRIES = {
    "BN": "Brunei Darussalam",
    "CN": "China",
    "ID": "Indonesia",
    "KH": "Cambodia",
    "LA": "Lao PDR",
    "MM": "Myanmar",
    "MY": "Malaysia",
    "PH": "Philippines",
    "SG": "Singapore",
    "TH": "Thailand",
    "VN": "Viet Nam",
}
"""English names by ISO 3166-1."""


def country_name(code: str, language: str = "en") -> str:
    """Return the name of a country of ISO 3166-1; of one without a city here its code.

    In English it is the one that the MRC and ASEAN use, in other languages that of the Unicode
    CLDR, without a former name in brackets.

    Examples
    --------
    >>> country_name("LA"), country_name("MM", "vi"), country_name("XX")
    ('Lao PDR', 'Myanmar', 'XX')
    """
    if language == "en" or code not in _COUNTRIES:
        return _COUNTRIES.get(code, code)
    return str(Locale(language).territories[code]).partition(" (")[0]


def city_name(city: City, language: str, *, asof: datetime | None = None) -> str:
    """Return a city's name in a language.

    Parameters
    ----------
    city
        City.
    language
        Language as in ``names.csv``.
    asof
        Rows that count at this moment; default the newest.

    Returns
    -------
    str
        Name; the Latin one where none of at least medium confidence is on record.

    Examples
    --------
    >>> [city_name(cities()["pakse"], language) for language in ("en", "th", "my")]
    ['Pakse', 'ปากเซ', 'Pakse']
    """
    return _names(edition(asof), language).get(("city", city.id), city.name)


def station_name(station: Station, language: str, *, asof: datetime | None = None) -> str:
    """Return a gauge's name in a language; that of a city of the same Latin name by default.

    Parameters
    ----------
    station
        Gauge.
    language, asof
        As for :func:`city_name`.
    """
    names = _names(edition(asof), language)
    if ("station", station.code) in names:
        return names["station", station.code]
    namesakes = (city for city in cities(asof=asof).values() if city.name == station.name)
    return next((names.get(("city", city.id), city.name) for city in namesakes), station.name)


@lru_cache
def _names(tables: Edition, language: str) -> Mapping[tuple[str, str], str]:
    """Names of sufficient confidence by kind and id."""
    return {
        (row["kind"], row["id"]): row["name"]
        for row in tables.rows("names.csv")
        if row["language"] == language and row["confidence"] in _CERTAIN
    }
