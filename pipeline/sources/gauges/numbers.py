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
"""Texts that mean a missing value; an empty cell is one."""
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
    """Convert cells to text with the digits, minus signs and blanks of ASCII."""
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

    Decimal points and commas, thousands separators, the minus sign of typesetting, digits of other
    scripts and the row's own unit after the number are understood where a cell has one meaning
    only. ``1,234`` is 1.234 where other cells show decimal commas, 1234 where others show both
    (``12,345.6``), and otherwise ambiguous.

    Parameters
    ----------
    text
        Cells.
    decimal
        ``.`` or ``,`` where it is declared.
    units
        Unit of each row, which may follow its number.
    semicolons
        Whether semicolons separate the cells, as where the comma is the decimal sign: the point of
        ``1.152`` separates thousands where other cells show decimal commas, and is ambiguous where
        no cell shows its meaning, or among cells of its unit that are otherwise integers. In metres
        it is a decimal point where no cell shows a decimal comma, for no stage is 1152 m.

    Returns
    -------
    tuple of pandas.Series
        Numbers, NaN where missing or unreadable; and whether each cell is unreadable, ambiguous or
        infinite.
    """
    cells = to_ascii(text)
    plain = cells.str.fullmatch(_PLAIN)
    value = pd.to_numeric(cells.where(plain), errors="coerce").astype("float64")
    commas = cells.str.contains(",", regex=False)
    decimal, is_declared = (
        decimal or _find_decimal_sign(cells[commas], cells[~commas]),
        decimal is not None,
    )
    points = cells.str.contains(".", regex=False)
    if (
        semicolons
        and decimal is None
        and any(_shows_point(cell) for cell in cells[points].unique())
    ):
        decimal = "."
    unit_of_row = units.astype("str").to_numpy() if units is not None else np.full(len(cells), "")
    grouped = np.full(len(cells), semicolons)
    if decimal is None:
        for unit in set(unit_of_row[points.to_numpy(dtype=bool)]) - {"", "m"}:
            grouped |= (unit_of_row == unit) & _is_among_integers(
                cells[unit_of_row == unit], value[unit_of_row == unit]
            )
    is_doubtful = grouped if decimal is None else decimal in {",", _CONTESTED}
    unclear = ~plain | (points & is_doubtful)
    numbers = value.to_numpy("float64", copy=True)
    bad = np.zeros(len(cells), dtype=bool)
    texts = cells.to_numpy(dtype=object)
    for at in np.flatnonzero(unclear.to_numpy(dtype=bool)):
        number = None
        if not NO_VALUE.fullmatch(texts[at]):
            number = _parse_cell(
                texts[at], decimal, unit_of_row[at], declared=is_declared, semicolons=grouped[at]
            )
            bad[at] = number is None
        numbers[at] = np.nan if number is None else number
    bad |= np.isinf(numbers)
    return pd.Series(np.where(bad, np.nan, numbers), text.index), pd.Series(bad, text.index)


def _find_decimal_sign(commas: pd.Series[Any], points: pd.Series[Any]) -> str | None:
    """Find the decimal sign that the cells with commas show beyond doubt, against the others."""
    signs = set[str]()
    for cell in commas.unique():
        match = _CELL.fullmatch(cell)
        digits = match["digits"] if match else ""
        last_place = max(digits.rfind(","), digits.rfind("."))
        if "." in digits:
            signs.add(digits[last_place])
        elif digits.count(",") == 1 and not _is_grouped(digits, ","):
            signs.add(",")
    if signs and points.str.fullmatch(r"[+-]?[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,})").any():
        signs.add(".")
    if len(signs) > 1:
        return _CONTESTED
    return signs.pop() if signs else None


def _is_among_integers(cells: pd.Series[Any], value: pd.Series[Any]) -> bool:
    """Return whether all cells but codes and those with a possible thousands point are integers."""
    texts = cells[value.notna() & ~value.isin([*MISSING, *STAGE_CODES])].unique()
    grouped = [_is_grouped(cell.lstrip("+-"), ".") for cell in texts if "." in cell]
    return all(grouped) and 0 < len(grouped) < len(texts)


def _shows_point(cell: str) -> bool:
    """Return whether the point of a cell is a decimal sign beyond doubt."""
    match = _CELL.fullmatch(cell)
    digits = match["digits"] if match else ""
    return digits.count(".") == 1 and "," not in digits and not _is_grouped(digits, ".")


def _is_grouped(digits: str, sign: str) -> bool:
    """Return whether a sign separates digits into groups of three."""
    return re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{re.escape(sign)}[0-9]{{3}})+", digits) is not None


def _parse_cell(
    cell: str, decimal: str | None, unit: str, *, declared: bool, semicolons: bool
) -> float | None:
    """Parse one cell that is not plain; None where it is ambiguous or no number."""
    match = _CELL.fullmatch(cell)
    if match is None or (match["unit"] and match["unit"].casefold() != unit.casefold()):
        return None
    digits = match["digits"].strip()
    if " " in digits:
        whole = re.match(r"[^., ]+(?: \d{3})+(?![^.,])", digits)
        if whole is None or not _is_grouped(whole[0], " "):
            return None
        digits = digits.replace(" ", "")
    signs = {sign for sign in ".," if sign in digits}
    if len(signs) == 2:
        decimal_sign = max(signs, key=digits.rfind)
        whole_part, _, decimals = digits.rpartition(decimal_sign)
        thousands_sign = "." if decimal_sign == "," else ","
        if (
            not _is_grouped(whole_part, thousands_sign)
            or (declared and decimal_sign != decimal)
            or thousands_sign in decimals
        ):
            return None
        digits = whole_part.replace(thousands_sign, "") + "." + decimals
    elif signs:
        if semicolons and not declared and unit != "m" and digits.count(".") == 1:
            if decimal is None and _is_grouped(digits, "."):
                return None
            declared = decimal == "," and _is_grouped(digits, ".")
        plain = _resolve_sign(digits, signs.pop(), decimal, declared=declared)
        if plain is None:
            return None
        digits = plain
    return float(f"{match['sign']}{digits}{match['power'] or ''}")


def _resolve_sign(digits: str, sign: str, decimal: str | None, *, declared: bool) -> str | None:
    """Return digits with a decimal point, given digits with points or commas alone."""
    grouped = _is_grouped(digits, sign)
    if digits.count(sign) > 1:
        return digits.replace(sign, "") if grouped and sign != decimal else None
    if sign == decimal or (not grouped and not declared):
        return digits.replace(sign, ".")
    if grouped and decimal == "." and sign == ",":
        return digits.replace(sign, "")
    if grouped and decimal == "," and declared:
        return digits.replace(sign, "")
    return digits if sign == "." and decimal is None else None
