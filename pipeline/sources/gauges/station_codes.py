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
"""Front of the codes of ThaiWater's stations, which are listed in a table of their own."""
_WORD = re.compile(r"(?!\d{1,5}$)[A-Za-z0-9][A-Za-z0-9_.-]{2,31}", re.ASCII)
_PREFIXED = re.compile(r"([A-Z]{2})[ _.:-]?([0-9]{5,6})", re.IGNORECASE)
_LOOKALIKES = str.maketrans("OoIl", "0011")
_CLOSE = 0.85


class UnknownStationError(ValueError):
    """What stands for a station is neither a code nor the name of one gauge."""

    def __init__(self, text: str, *, meant: tuple[str, ...] = ()) -> None:
        super().__init__(f"found {text!r}" + _did_you_mean(meant))
        self.meant = meant


@lru_cache(maxsize=4096)
def resolve(text: str, *, six_digits: bool = False) -> tuple[str, str]:
    """Code of a station, and what is to be said of how it was told.

    Parameters
    ----------
    text
        As the file has it: ``013901``, ``13901``, ``13901.0``, ``1.3901E4``, ``LA013901``,
        ``Pakse``, or an agency's own name such as ``kwater-1001620``.
    six_digits
        Whether the file's layout has codes of the MRC alone.

    Returns
    -------
    tuple of str
        Code; and a remark, empty where the text is the code of a gauge of the table.

    Raises
    ------
    UnknownStationError
        The text is no code, names several gauges, or is close to one gauge's code or name.

    Examples
    --------
    >>> resolve("013901"), resolve("LA13901")
    (('013901', ''), ('013901', 'LA13901 is read as 013901 (Pakse)'))
    """
    given = unicodedata.normalize("NFKC", text).strip().strip("'\"=").strip()
    found = _code(given) or _named(given)
    if found is not None:
        if found not in stations():
            return found, _new(found)
        return found, "" if found == text else f"{text} is read as {_shown(found)}"
    key = _plain(given)
    meant = tuple(
        dict.fromkeys(
            code
            for name in get_close_matches(key, _names(), n=2, cutoff=_CLOSE)
            for code in _names()[name]
        )
    )
    tributary = given.startswith(TRIBUTARIES)
    meant = meant or (() if tributary else _misspelt(given))
    if meant or six_digits or not _WORD.fullmatch(given):
        raise UnknownStationError(text, meant=meant)
    return given, "" if tributary else _new(given)


def _code(given: str) -> str | None:
    """Code that the digits of a text are, with the zero that a spreadsheet drops."""
    power = re.fullmatch(r"([0-9](?:[.,][0-9]+)?)[eE]\+?0?([45])", given)
    if power or re.fullmatch(r"0+[0-9]{6}", given):
        number = float(f"{power[1].replace(',', '.')}e{power[2]}") if power else float(given)
        code = f"{number:06.0f}"
        if power and not (number.is_integer() and code in stations()):  # digits may be cut
            raise UnknownStationError(given, meant=_near(code))
        return code if code in stations() else None
    digits = re.fullmatch(r"([0-9]{5,6})(?:\.0+)?", given)
    if digits:
        code = digits[1].zfill(6)
        if len(digits[1]) == 5 and code not in stations():
            raise UnknownStationError(given, meant=_near(code))
        return code
    prefixed = _PREFIXED.fullmatch(given)
    if prefixed:
        country, code = prefixed[1].upper(), prefixed[2].zfill(6)
        known = stations().get(code)
        if known is not None and known.country == country:
            return code
        if known is not None or len(prefixed[2]) == 5:
            raise UnknownStationError(given, meant=(code,) if known else _near(code))
        return code if country in {one.country for one in stations().values()} else None
    return None


def _named(given: str) -> str | None:
    """Code of the one gauge that a text names, with or without its code beside the name."""
    codes = _names().get(_plain(given), ())
    if len(codes) > 1:
        raise UnknownStationError(given, meant=codes)
    if codes:
        return codes[0]
    beside = re.findall(r"(?<![0-9])[0-9]{6}(?![0-9])", given)
    if len(beside) == 1 and beside[0] in stations():
        name = _plain(re.sub(r"^[A-Z]{2}[_ -]", "", given).replace(beside[0], ""))
        if beside[0] in _names().get(name, ()):
            return str(beside[0])
        raise UnknownStationError(given, meant=(beside[0],))
    return None


@lru_cache
def _names() -> dict[str, tuple[str, ...]]:
    """Codes by every name of their gauges, without accents, blanks and capitals."""
    found: dict[str, tuple[str, ...]] = {_plain(name): codes for name, codes in AMBIGUOUS.items()}
    for code, one in stations().items():
        for name in (one.name, *ALIASES.get(code, ())):
            key = _plain(name)
            found[key] = tuple(dict.fromkeys((*found.get(key, ()), code)))
    return found


def _plain(text: str) -> str:
    """Letters and digits of a name, small and without accents."""
    bare = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d"))
    return "".join(
        sign
        for sign in bare
        if sign.isalnum() or unicodedata.category(sign) == "Mc" or "\u0e31" <= sign <= "\u0e4e"
    )


def _misspelt(given: str) -> tuple[str, ...]:
    """Gauge whose code a text is but for letters like digits and signs between, or nearly."""
    digits = re.sub(r"[ .,_-]", "", given.translate(_LOOKALIKES))
    match = re.fullmatch(r"(?:[A-Za-z0]{2})?([0-9]{5,})", digits)
    code = match[1].lstrip("0").zfill(6) if match else ""
    return (code,) if code in stations() else _near(given)


def _near(text: str) -> tuple[str, ...]:
    """Code that is like a text; of several the one with the fewest other digits in their places."""
    codes = list(stations())
    close = get_close_matches(text, codes, n=len(codes), cutoff=0.8)
    return tuple(sorted(close, key=lambda code: sum(map(ne, text, code)))[:1])


def _shown(code: str) -> str:
    return f"{code} ({stations()[code].name})"


def _did_you_mean(codes: tuple[str, ...]) -> str:
    return f"; did you mean {' or '.join(map(_shown, codes))}?" if codes else ""


def _new(code: str) -> str:
    """Remark on a station that the table does not have."""
    return f"station {code} is new: the table of stations has none{_did_you_mean(_near(code))}"
