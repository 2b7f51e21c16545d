"""Numbers of a column of text: decimal signs, thousands, other scripts, missing values."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from pipeline.quality.missing_codes import MISSING, STAGE_CODES

NO_VALUE = re.compile(
    r"\*+|[-–—_]+|[.?]+|m|n\.?/?a\.?|#n/a|nan|-nan|null|nil|none|<na>|\\n|miss(ing)?|no ?data|"
    r"not available|ไม่มีข้อมูล|",
    re.IGNORECASE,
)
"""Texts that stand for a missing value; an empty cell is one."""
_PLAIN = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_CELL = re.compile(
    r"(?P<sign>[+-]?) ?(?P<digits>[.,]?(?:[0-9][0-9., ]*)?[0-9])(?P<power>[eE][+-]?[0-9]{1,3})?"
    r" ?(?P<unit>[^0-9].*)?"
)
_ZEROS = "๐໐០၀０"  # of Thai, Lao, Khmer, Burmese and full-width digits
_ASCII = str.maketrans(
    dict.fromkeys("\u00a0\u2009\u202f\t", " ")
    | dict.fromkeys("−－﹣", "-")
    | {chr(ord(zero) + digit): str(digit) for zero in _ZEROS for digit in range(10)}
)
_CONTESTED = "?"


def to_ascii(text: pd.Series[Any]) -> pd.Series[Any]:
    """Cells as text, with the digits of other scripts, minus signs and blanks that ASCII has."""
    cells = text.where(text.notna(), "").astype("str")
    if not all(cell.isascii() for cell in cells):
        cells = cells.str.translate(_ASCII)
    return cells.str.strip()


def to_numbers(
    text: pd.Series[Any],
    *,
    decimal: str | None = None,
    units: pd.Series[Any] | None = None,
    semicolons: bool = False,
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Turn a column of text into numbers.

    Understood are decimal points and commas, thousands separators, the minus sign of typesetting,
    digits of other scripts and the row's own unit behind the number, as far as a cell can mean
    one thing only. ``1,234`` is 1.234 where other cells show decimal commas, 1234 where others
    show both (``12,345.6``), and otherwise ambiguous.

    Parameters
    ----------
    text
        Cells.
    decimal
        ``.`` or ``,`` where it is known.
    units
        Unit of each row, which may stand behind its number.
    semicolons
        Semicolons part the cells, as where the comma is the decimal sign: the point of ``1.152``
        parts thousands where other cells show decimal commas, and is ambiguous where no cell shows
        what it is, as it is among cells of its unit that are otherwise integers. In metres it is
        read as a decimal point where no cell shows a decimal comma, for no stage is 1152 m.

    Returns
    -------
    tuple of pandas.Series
        Numbers, NaN where missing or unreadable; and whether a cell is unreadable, ambiguous or
        infinite.
    """
    cells = to_ascii(text)
    plain = cells.str.fullmatch(_PLAIN)
    value = pd.to_numeric(cells.where(plain), errors="coerce").astype("float64")
    commas = cells.str.contains(",", regex=False)
    decimal, declared = decimal or _convention(cells[commas], cells[~commas]), decimal is not None
    points = cells.str.contains(".", regex=False)
    if semicolons and decimal is None and any(_shows_point(one) for one in cells[points].unique()):
        decimal = "."
    own = units.astype("str").to_numpy() if units is not None else np.full(len(cells), "")
    grouped = np.full(len(cells), semicolons)
    if decimal is None:
        for unit in set(own[points.to_numpy(dtype=bool)]) - {"", "m"}:
            grouped |= (own == unit) & _among_integers(cells[own == unit], value[own == unit])
    doubted = grouped if decimal is None else decimal in {",", _CONTESTED}
    again = ~plain | (points & doubted)
    numbers = value.to_numpy("float64", copy=True)
    bad = np.zeros(len(cells), dtype=bool)
    texts = cells.to_numpy(dtype=object)
    for at in np.flatnonzero(again.to_numpy(dtype=bool)):
        number = None
        if not NO_VALUE.fullmatch(texts[at]):
            number = _number(texts[at], decimal, own[at], declared=declared, semicolons=grouped[at])
            bad[at] = number is None
        numbers[at] = np.nan if number is None else number
    bad |= np.isinf(numbers)
    return pd.Series(np.where(bad, np.nan, numbers), text.index), pd.Series(bad, text.index)


def _convention(commas: pd.Series[Any], points: pd.Series[Any]) -> str | None:
    """Decimal sign that the cells with commas show beyond doubt, against those without."""
    found = set[str]()
    for cell in commas.unique():
        match = _CELL.fullmatch(cell)
        digits = match["digits"] if match else ""
        last = max(digits.rfind(","), digits.rfind("."))
        if "." in digits:
            found.add(digits[last])
        elif digits.count(",") == 1 and not _thousands(digits, ","):
            found.add(",")
    if found and points.str.fullmatch(r"[+-]?[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,})").any():
        found.add(".")
    if len(found) > 1:
        return _CONTESTED
    return found.pop() if found else None


def _among_integers(cells: pd.Series[Any], value: pd.Series[Any]) -> bool:
    """Whether cells are integers but for those whose point may part thousands, and for codes."""
    texts = cells[value.notna() & ~value.isin([*MISSING, *STAGE_CODES])].unique()
    parted = [_thousands(cell.lstrip("+-"), ".") for cell in texts if "." in cell]
    return all(parted) and 0 < len(parted) < len(texts)


def _shows_point(cell: str) -> bool:
    """Whether the point of a cell is a decimal sign beyond doubt."""
    match = _CELL.fullmatch(cell)
    digits = match["digits"] if match else ""
    return digits.count(".") == 1 and "," not in digits and not _thousands(digits, ".")


def _thousands(digits: str, sign: str) -> bool:
    """Whether digits are parted by a sign in groups of three."""
    return re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{re.escape(sign)}[0-9]{{3}})+", digits) is not None


def _number(
    cell: str, decimal: str | None, unit: str, *, declared: bool, semicolons: bool
) -> float | None:
    """Read one cell that is not plain; None where it could mean several things, or nothing."""
    match = _CELL.fullmatch(cell)
    if match is None or (match["unit"] and match["unit"].casefold() != unit.casefold()):
        return None
    digits = match["digits"].strip()
    if " " in digits:
        whole = re.match(r"[^., ]+(?: \d{3})+(?![^.,])", digits)
        if whole is None or not _thousands(whole[0], " "):
            return None
        digits = digits.replace(" ", "")
    signs = {sign for sign in ".," if sign in digits}
    if len(signs) == 2:
        last = max(signs, key=digits.rfind)
        front, _, rest = digits.rpartition(last)
        other = "." if last == "," else ","
        if not _thousands(front, other) or (declared and last != decimal) or other in rest:
            return None
        digits = front.replace(other, "") + "." + rest
    elif signs:
        if semicolons and not declared and unit != "m" and digits.count(".") == 1:
            if decimal is None and _thousands(digits, "."):
                return None
            declared = decimal == "," and _thousands(digits, ".")
        plain = _one_sign(digits, signs.pop(), decimal, declared=declared)
        if plain is None:
            return None
        digits = plain
    return float(f"{match['sign']}{digits}{match['power'] or ''}")


def _one_sign(digits: str, sign: str, decimal: str | None, *, declared: bool) -> str | None:
    """Digits with a decimal point, of such with points or commas alone."""
    grouped = _thousands(digits, sign)
    if digits.count(sign) > 1:
        return digits.replace(sign, "") if grouped and sign != decimal else None
    if sign == decimal or (not grouped and not declared):
        return digits.replace(sign, ".")
    if grouped and decimal == "." and sign == ",":
        return digits.replace(sign, "")
    if grouped and decimal == "," and declared:
        return digits.replace(sign, "")
    return digits if sign == "." and decimal is None else None
