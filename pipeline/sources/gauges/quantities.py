"""Names of quantities in free text: their variable, or the reason why they are not used.

The list is shared by all layouts: headings and columns of tables, properties of WaterML, parameters
of Delft-FEWS. A name of a forecast, an extreme, an accumulation or other waters is not used: its
values have the unit of readings and would pass for them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

MODELS = (
    r"forecast|fcst|simul|predict|hindcast|nowcast|scenario|model|ensemble|_fc\b|^fc_|ecmwf|gfs|"
    r"wrf|nwp|(?:\b|_|import)(?:icon|ifs)(?:\b|_)|\bsim\b|\bfc\b|projected|astronomical|synthetic|"
    r"พยากรณ์|คาดการณ์|แบบจำลอง|dự báo|mô phỏng|ພະຍາກອນ|ຄາດຄະເນ|ព្យាករណ៍"
)
"""Words that mark values of a model; "sim" within a word, as in silicon, does not."""
_LONGER = r"month|year|annual|season|week|dekad|decad|\b(?:[2-9]|[1-9][0-9]+) ?(?:days?|d)\b"
_WITHIN_DAY = r"daily|hourly|\bday\b|\b(?:1|3|6|12|24) ?(?:h|hr|hrs|hours?|ชม|ชั่วโมง)\b"
_RAINS = r"rain|precip|ฝน|mưa|ຝົນ|ភ្លៀង"
_UNUSED = {
    "a forecast, or a model's": MODELS,
    "accumulated over more than its interval": (
        rf"^(?!.*(?:{_WITHIN_DAY}))(?!.*(?:since|to date|ytd)).*(?:cumul|accum|สะสม|tích lũy|ສະສົມ)|"
        r"\bsince\b|\bto date\b|\bytd\b|\brunning (?:sum|total)\b|\btotali[sz]er\b"
    ),
    "of a longer interval": _LONGER,
    "a rate, and no sum of an interval": (
        rf"(?=.*(?:{_RAINS})).*(?:intensit|\brate\b|\bper (?:h|hour|min)|\bmm ?h\b|\bmmh\b|"
        r"\bmm hr\b)|ความเข้มฝน|cường độ"
    ),
    "an index or a statistic": (
        r"\bindex\b|\bapi\b|\bspi\b|antecedent|percentile|quantile|\bpercent\b|\brank\b|"
        r"return period|exceed|probab|deficit|departure|anomal|\bnormals?\b|climatolog|long term|"
        r"standard deviation|\bstd\b|variance|\bcount\b"
    ),
    "an extreme of an interval": (
        r"\bmax|\bminim|(?<![0-9] )(?<!per )\bmin\b|highest|lowest|\bpeak|extrem|crest|"
        r"\b(?:high|low) ?water\b|\b[hl]wl\b|สูงสุด|ต่ำสุด|lớn nhất|nhỏ nhất|cao nhất|thấp nhất|"
        r"ສູງສຸດ|ຕ່ຳສຸດ|ຕໍ່າສຸດ|អតិបរមា|អប្បបរមា"
    ),
    "a mark of the gauge": (
        r"\b(?:warning|alarm|alert|danger|flood|critical|action|bank ?full|bank|design|bed|bottom|"
        r"sill|weir|dike|levee|embankment|threshold|reference)s? (?:water )?(?:level|stage|"
        r"height|elevation|discharge|flow)|\bground (?:level|elevation)|วิกฤต|ตลิ่ง|เตือนภัย|เฝ้าระวัง"
    ),
    "a change": (
        r"\bchang|differen|\bdiff\b|\bdelta\b|\btrend|tendency|deviation|variation|\brise\b|"
        r"\brate of\b|ผลต่าง|เปลี่ยนแปลง|เพิ่มขึ้น|chênh lệch|thay đổi"
    ),
    "not of a river": (
        r"storage|reservoir|ground ?water|aquifer|piezo|bore|\btide|tidal|temperature|conductivity|"
        r"turbidity|velocity|\b(?:dam|lake|pond|pool|wells?|below|sea ?water|soil|snow)\b|"
        r"\b(?:tail|head) ?water|\b(?:in|out|spill|base)[ -]?flow|\brelease|volume|capacity|"
        r"\bgate|sediment|concentration|evap|humidity|\bwind\b|pressure|radiation|sunshine|"
        r"อ่างเก็บน้ำ|เขื่อน|บาดาล|ใต้ดิน|ระเหย|hồ chứa|nước ngầm|nước dưới đất|bốc hơi|ອ່າງເກັບນ້ຳ"
    ),
    "a depth": rf"^(?!.*(?:{_RAINS})).*(?:\bdepth\b|ความลึก|độ sâu)",
}
"""Reasons why values of a quantity are not readings, and the pattern of such names, in lower case
without punctuation. A depth of rain is rain; rain accumulated within a day is that of a day."""
_MEAN = r"\bmean\b(?! sea)|averag|\bavg\b|\bmedian\b|\bgemiddeld|เฉลี่ย|trung bình|ສະເລ່ຍ|មធ្យម"
_VARIABLES = (
    ("rain", r"\b(?:rain|ppt\b|prcp\b|pcp\b|rf\b)|precip|ฝน|mưa|ຝົນ|ភ្លៀង"),
    ("stage", r"level|stage|height|\bwl\b|ระดับ|mực nước|ລະດັບ|កម្ពស់ទឹក"),
    ("discharge", r"discharge|flow|\bq\b|ปริมาณน้ำ|lưu lượng"),
)
_CODES = {
    **dict.fromkeys(("wl", "h", "hh", "hg", "gh"), "stage"),
    **dict.fromkeys(("rf", "r", "p", "rr", "pc", "pp"), "rain"),
    **dict.fromkeys(("q", "qq"), "discharge"),
}
"""Variable of a quantity by words of its name, or by a code that its name begins with."""
_OTHER_CODES = {
    "ev", "et", "eto", "pet", "t", "ta", "tw", "wt", "rh", "ec", "do", "ph", "tss", "ssc", "v",
    "vel", "ws", "wd", "sr", "bat", "batt", "battery", "voltage", "signal",
}  # fmt: skip
"""Codes of other quantities of a station: evaporation, temperatures, quality of the water."""


class Quantity(NamedTuple):
    """Meaning of the name of a quantity.

    Parameters
    ----------
    variable
        ``stage``, ``discharge`` or ``rain``; empty where the name does not show it.
    unused
        Reason why its values are not readings; empty where they may be.
    mean
        Whether they are means over intervals.
    """

    variable: str
    unused: str
    mean: bool


def parse_quantity(name: str) -> Quantity:
    """Parse the quantity of a heading, a property or a parameter.

    Examples
    --------
    >>> parse_quantity("WL observed").variable, parse_quantity("Rain (mm)").variable
    ('stage', 'rain')
    """
    words = normalize_words(name)
    by_name = (variable for variable, pattern in _VARIABLES if _search(pattern, words))
    variable = next(by_name, _CODES.get(words.partition(" ")[0], ""))
    return Quantity(variable, explain_unused(name), is_mean(name))


def parse_row_quantity(cell: str) -> Quantity:
    """Parse the quantity of a cell in a column of quantities; the cell may be a short code.

    Examples
    --------
    >>> parse_row_quantity("RF").variable, parse_row_quantity("EV").unused
    ('rain', 'not of a river')
    """
    quantity = parse_quantity(cell)
    is_other = normalize_words(cell).partition(" ")[0] in _OTHER_CODES
    return quantity._replace(unused=quantity.unused or "not of a river") if is_other else quantity


def normalize_words(text: str) -> str:
    """Reduce a text to words in lower case without punctuation; an address loses its host.

    Examples
    --------
    >>> normalize_words("http://example.org/api/MaxStage")
    'max stage'
    >>> normalize_words("Daily min. stage (m.s.l.)")
    'daily min stage msl'
    """
    text = re.sub(r"https?://[^/\s]*(?:/api\b)?|\bindex\.\w+", " ", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", text)).casefold()
    text = re.sub(r"(?<!\w)(?:\w\.){2,}\w?", lambda dotted: dotted[0].replace(".", ""), text)
    return " ".join(re.sub(r"[^\w'\u0e00-\u0eff\u1780-\u17ff]+|_", " ", text).split())


def explain_unused(text: str) -> str:
    """Explain why a quantity of this name has no readings of a gauge; empty where it may have.

    Examples
    --------
    >>> explain_unused("Daily min. stage"), explain_unused("Rain, cumulative since 1 January")
    ('an extreme of an interval', 'accumulated over more than its interval')
    >>> explain_unused("Rainfall 15 min"), explain_unused("Gage height, daily mean")
    ('', '')
    """
    words = normalize_words(text)
    if re.search(MODELS, text.casefold()):
        return next(iter(_UNUSED))
    return next((reason for reason, names in _UNUSED.items() if _search(names, words)), "")


def is_mean(text: str) -> bool:
    """Return whether a name means a mean over an interval.

    Examples
    --------
    >>> is_mean("Gage height, daily mean"), is_mean("Water level above mean sea level")
    (True, False)
    """
    return _search(_MEAN, normalize_words(text))


def _search(pattern: str, words: str) -> bool:
    """Search in normalized words, in which NFKC has decomposed the Thai vowel of "water"."""
    return re.search(unicodedata.normalize("NFKC", pattern), words) is not None
