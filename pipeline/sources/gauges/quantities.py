"""Names of quantities in free text: the variable they are, and why their values are no readings.

One list for all layouts: headings and columns of tables, properties of WaterML, parameters of
Delft-FEWS. A name that speaks of a forecast, an extreme, an accumulation or other waters is passed
over: such a value has the unit of a reading and would be taken for one.
"""

from __future__ import annotations

import re
import unicodedata

MODELS = (
    r"forecast|fcst|simul|predict|hindcast|nowcast|scenario|model|ensemble|_fc\b|^fc_|ecmwf|gfs|"
    r"wrf|nwp|(?:\b|_|import)(?:icon|ifs)(?:\b|_)|\bsim\b|\bfc\b|projected|astronomical|synthetic|"
    r"พยากรณ์|คาดการณ์|แบบจำลอง|dự báo|mô phỏng|ພະຍາກອນ|ຄາດຄະເນ|ព្យាករណ៍"
)
"""What calls values a model's, and not observed; a silicon sensor's are."""
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
"""Reasons why values of a quantity are no readings, and what its name then says, in small letters
without punctuation. A depth of rain is rain; rain accumulated within a day is that of a day."""
_MEAN = r"\bmean\b(?! sea)|averag|\bavg\b|\bmedian\b|\bgemiddeld|เฉลี่ย|trung bình|ສະເລ່ຍ|មធ្យម"
KINDS = (
    ("rain", r"\brain|precip|ฝน|mưa|ຝົນ|ភ្លៀង"),
    ("stage", r"level|stage|height|\bwl\b|ระดับ|mực nước|ລະດັບ|កម្ពស់ទឹក"),
    ("discharge", r"discharge|flow|\bq\b|ปริมาณน้ำ|lưu lượng"),
)
"""Variable of a column of a table, by its heading."""


def plain_words(text: str) -> str:
    """Small words of a text, parted by blanks, without punctuation; an address loses its host.

    Examples
    --------
    >>> plain_words("http://example.org/api/MaxStage"), plain_words("Daily min. stage (m.s.l.)")
    ('max stage', 'daily min stage msl')
    """
    text = re.sub(r"https?://[^/\s]*(?:/api\b)?|\bindex\.\w+", " ", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", text)).casefold()
    text = re.sub(r"(?<!\w)(?:\w\.){2,}\w?", lambda dotted: dotted[0].replace(".", ""), text)
    return " ".join(re.sub(r"[^\w'\u0e00-\u0eff\u1780-\u17ff]+|_", " ", text).split())


def reason_unused(text: str) -> str:
    """Reason why a quantity of this name holds no readings of a gauge; empty where it may.

    Examples
    --------
    >>> reason_unused("Daily min. stage"), reason_unused("Rain, cumulative since 1 January")
    ('an extreme of an interval', 'accumulated over more than its interval')
    >>> reason_unused("Rainfall 15 min"), reason_unused("Gage height, daily mean")
    ('', '')
    """
    words = plain_words(text)
    if re.search(MODELS, text.casefold()):
        return next(iter(_UNUSED))
    # NFKC takes the Thai vowel of "water" apart, in names and so in patterns.
    reasons = (
        reason
        for reason, pattern in _UNUSED.items()
        if re.search(unicodedata.normalize("NFKC", pattern), words)
    )
    return next(reasons, "")


def is_mean(text: str) -> bool:
    """Whether a name speaks of a mean over an interval.

    Examples
    --------
    >>> is_mean("Gage height, daily mean"), is_mean("Water level above mean sea level")
    (True, False)
    """
    return re.search(unicodedata.normalize("NFKC", _MEAN), plain_words(text)) is not None
