"""The card that is handed out in a city, and the link that opens a text with its code."""

from __future__ import annotations

import textwrap
from urllib.parse import quote

from pipeline.geography.places import City
from pipeline.ground_reports.city_codes import city_code

WIDTH = 40
"""Columns of the card."""


def write_card(city: City, *, number: str | None, local_name: str = "", flood: str = "") -> str:
    """Write the card of a city: plain text of 40 columns.

    Parameters
    ----------
    city
        City, which has a number in ``report_numbers.csv``.
    number
        Telephone number that takes the texts; None leaves room to write it in.
    local_name, flood
        The city's name and the word for flood in the language of its country; empty where they are
        not known, then the card is in English.

    Raises
    ------
    LookupError
        The city has no number.
    """
    code = city_code(city)
    name = f"{local_name} ({city.name})" if local_name and local_name != city.name else city.name
    word = f" ({flood})" if flood else ""
    sections = [
        ["REPORT FLOODED OR DRY GROUND", *_wrap(name), f"Your code: {code}"],
        [f"Send a text to: {number or '_' * 20}"],
        [f"Flooded{word}, 30 cm, at 14:05:", f"  FL {code} 30 1405"],
        [f"Flooded{word}, depth not known:", f"  FL {code} 1405"],
        ["Dry, at 14:05:", f"  DR {code} 1405"],
        _wrap(
            "The time is what your clock shows, 0000 to 2359. The depth is in cm, 0 to 500. Keep "
            "the letter of the code: it finds mistakes."
        ),
        _wrap(
            "Send what you see, when you see it. Of more than an hour ago send the time twice: "
            f"FL {code} 30 0630 0630"
        ),
        _wrap("Stay out of the water. This number is not for emergencies and sends no help."),
    ]
    rule = "-" * WIDTH
    return (
        "\n".join([rule, f"\n{rule}\n".join("\n".join(lines) for lines in sections), rule]) + "\n"
    )


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)


def sms_link(number: str, body: str) -> str:
    """Return the address (RFC 5724) that opens a text on a phone.

    Parameters
    ----------
    number
        Telephone number, with ``+`` and the code of its country.
    body
        What stands in the text already, as ``FL 17U``.

    Examples
    --------
    >>> sms_link("+85512345678", "FL 17U ")
    'sms:+85512345678?body=FL%2017U%20'
    """
    return f"sms:{number}?body={quote(body)}"
