"""Station codes as files spell them: with a country, without zeros, as numbers or by name."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from functools import lru_cache
from operator import ne

from pipeline.geography.places import stations

ALIASES = {
    "010501": ("Chiangsaen", "เชียงแสน"),
    "011201": ("Louangphabang", "Louang Prabang"),
    "011901": ("Vientiane", "Viangchan", "KM4"),
    "011903": ("Chiangkhan", "เชียงคาน"),
    "012702": ("Bung Kan", "Buengkan", "บึงกาฬ"),
    "012703": ("Pakxan", "Paksan", "Pakxane"),
    "013101": ("Nakornphanom", "Nakhonphanom", "นครพนม"),
    "013102": ("Tha Khaek", "Thakek"),
    "013401": ("Savannaket", "Savanakhet"),
    "013402": ("มุกดาหาร",),
    "013801": ("Khongchiam", "Kong Chiam", "โขงเจียม"),
    "013901": ("Pakxe", "Paksé"),
    "014501": ("Steung Treng", "Stoeng Treng", "Stungtreng"),
    "014901": ("Kracheh", "Kratié"),
    "019802": ("Kompong Cham", "Kampongcham"),
    "019803": ("Tân Châu",),
    "019804": ("Mỹ Thuận",),
    "019806": ("Neak Loeung", "Neak Loeang"),
    "020101": ("Phnom Penh (Port)", "Phnompenh Port"),
    "020102": ("Prek Dam", "Prekdam"),
    "020106": ("Kompong Luong",),
    "033401": ("Chaktomuk", "Phnom Penh (Bassac)", "Phnom Penh (Chaktomuk)", "Bassac Chaktomuk",
               "Phnom Penh Chaktomuk"),
    "033402": ("Kaoh Khel", "Koh Khael"),
    "039801": ("Châu Đốc", "Chaudoc"),
    "039803": ("Cần Thơ", "Cantho"),
    "092600": ("Jing Hong", "Yunjinghong", "景洪"),
}  # fmt: skip
"""Other names of the gauges of the table."""
AMBIGUOUS = {"Phnom Penh": ("033401", "020101")}
"""Names of places with several gauges; so is every name that the table has twice."""
TRIBUTARIES = "thaiwater-"
"""Prefix of the codes of ThaiWater's stations, which have a table of their own."""
_WORD = re.compile(r"(?!\d{1,5}$)[A-Za-z0-9][A-Za-z0-9_.-]{2,31}", re.ASCII)
_PREFIXED = re.compile(r"([A-Z]{2})[ _.:-]?([0-9]{5,6})", re.IGNORECASE)
_LOOKALIKES = str.maketrans("OoIl", "0011")
_LEAST_LIKENESS = 0.85


class UnknownStationError(ValueError):
    """The name of a station is neither a code nor the name of one gauge."""

    def __init__(self, text: str, *, meant: tuple[str, ...] = ()) -> None:
        super().__init__(f"found {text!r}" + _did_you_mean(meant))
        self.meant = meant


@lru_cache(maxsize=4096)
def resolve(text: str, *, six_digits: bool = False) -> tuple[str, str]:
    """Resolve the code of a station from its spelling in a file.

    Parameters
    ----------
    text
        Text of the file: ``013901``, ``13901``, ``13901.0``, ``1.3901E4``, ``LA013901``,
        ``Pakse``, the code of an agency's own row whatever its form, or an agency's own name such
        as ``kwater-1001620``.
    six_digits
        Whether the file's layout has codes of the MRC alone.

    Returns
    -------
    tuple of str
        Code, and a remark; the remark is empty where the text is the code of a gauge of the table.

    Raises
    ------
    UnknownStationError
        The text is no code, names several gauges, or is close to one gauge's code or name.

    Examples
    --------
    >>> resolve("013901"), resolve("LA13901")
    (('013901', ''), ('013901', 'LA13901 is read as 013901 (Pakse)'))
    """
    spelling = unicodedata.normalize("NFKC", text).strip().strip("'\"=").strip()
    own = spelling if spelling in stations() else None
    station = own or _find_code(spelling) or _find_named(spelling)
    if station is not None:
        if station not in stations():
            return station, _describe_new(station)
        return station, "" if station == text else f"{text} is read as {_describe(station)}"
    key = _normalize(spelling)
    candidates = tuple(
        dict.fromkeys(
            code
            for name in get_close_matches(key, _names(), n=2, cutoff=_LEAST_LIKENESS)
            for code in _names()[name]
        )
    )
    tributary = spelling.startswith(TRIBUTARIES)
    candidates = candidates or (() if tributary else _find_misspelt(spelling))
    if candidates or six_digits or not _WORD.fullmatch(spelling):
        raise UnknownStationError(text, meant=candidates)
    return spelling, "" if tributary else _describe_new(spelling)


def _find_code(text: str) -> str | None:
    """Find the code in the digits of a text, with the zero that a spreadsheet drops."""
    power = re.fullmatch(r"([0-9](?:[.,][0-9]+)?)[eE]\+?0?([45])", text)
    if power or re.fullmatch(r"0+[0-9]{6}", text):
        number = float(f"{power[1].replace(',', '.')}e{power[2]}") if power else float(text)
        code = f"{number:06.0f}"
        if power and not (number.is_integer() and code in stations()):  # digits may be cut
            raise UnknownStationError(text, meant=_find_near(code))
        return code if code in stations() else None
    digits = re.fullmatch(r"([0-9]{5,6})(?:\.0+)?", text)
    if digits:
        code = digits[1].zfill(6)
        if len(digits[1]) == 5 and code not in stations():
            raise UnknownStationError(text, meant=_find_near(code))
        return code
    prefixed = _PREFIXED.fullmatch(text)
    if prefixed:
        country, code = prefixed[1].upper(), prefixed[2].zfill(6)
        gauge = stations().get(code)
        if gauge is not None and gauge.country == country:
            return code
        if gauge is not None or len(prefixed[2]) == 5:
            raise UnknownStationError(text, meant=(code,) if gauge else _find_near(code))
        return code if country in {listed.country for listed in stations().values()} else None
    return None


def _find_named(text: str) -> str | None:
    """Find the code of the one gauge that a text names, with or without its code in the text."""
    codes = _names().get(_normalize(text), ())
    if len(codes) > 1:
        raise UnknownStationError(text, meant=codes)
    if codes:
        return codes[0]
    beside = re.findall(r"(?<![0-9])[0-9]{6}(?![0-9])", text)
    if len(beside) == 1 and beside[0] in stations():
        name = _normalize(re.sub(r"^[A-Z]{2}[_ -]", "", text).replace(beside[0], ""))
        if beside[0] in _names().get(name, ()):
            return str(beside[0])
        raise UnknownStationError(text, meant=(beside[0],))
    return None


@lru_cache
def _names() -> dict[str, tuple[str, ...]]:
    """Return the codes by every name of their gauges, normalized."""
    codes_of_name: dict[str, tuple[str, ...]] = {
        _normalize(name): codes for name, codes in AMBIGUOUS.items()
    }
    for code, gauge in stations().items():
        for name in (gauge.name, *ALIASES.get(code, ())):
            key = _normalize(name)
            codes_of_name[key] = tuple(dict.fromkeys((*codes_of_name.get(key, ()), code)))
    return codes_of_name


def _normalize(text: str) -> str:
    """Reduce a name to its letters and digits in lower case, without accents."""
    bare = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d"))
    return "".join(
        sign
        for sign in bare
        if sign.isalnum() or unicodedata.category(sign) == "Mc" or "\u0e31" <= sign <= "\u0e4e"
    )


def _find_misspelt(text: str) -> tuple[str, ...]:
    """Find a gauge whose code a text nearly is: with letters like digits, or signs between."""
    digits = re.sub(r"[ .,_-]", "", text.translate(_LOOKALIKES))
    match = re.fullmatch(r"(?:[A-Za-z0]{2})?([0-9]{5,})", digits)
    code = match[1].lstrip("0").zfill(6) if match else ""
    return (code,) if code in stations() else _find_near(text)


def _find_near(text: str) -> tuple[str, ...]:
    """Find the code most similar to a text: that with the fewest differing digits."""
    codes = list(stations())
    close = get_close_matches(text, codes, n=len(codes), cutoff=0.8)
    return tuple(sorted(close, key=lambda code: sum(map(ne, text, code)))[:1])


def _describe(code: str) -> str:
    return f"{code} ({stations()[code].name})"


def _did_you_mean(codes: tuple[str, ...]) -> str:
    return f"; did you mean {' or '.join(map(_describe, codes))}?" if codes else ""


def _describe_new(code: str) -> str:
    """Compose the remark on a station that the table does not have."""
    return f"station {code} is new: the table of stations has none{_did_you_mean(_find_near(code))}"
