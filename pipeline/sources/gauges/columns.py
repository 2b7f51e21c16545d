"""Names of columns of quality, quantity and origin, and of those that change others' meaning."""

from __future__ import annotations

import re

QUALITY = re.compile(
    r"(?:data |qc |quality )?(?:quality|qc|qa(?: ?/? ?qc)?|flags?|status|qualifiers?|grade|"
    r"validity|approval(?: level)?|reliability)(?: code)?|คุณภาพ(?:ข้อมูล)?"
)
CHECKED = re.compile(r"(?:is )?(?:valid|validated|accepted|approved|reliable|usable)")
"""Names of a column of yes and no, in which no means that a reading is suspect."""
ORIGIN = re.compile(r"(?:data |value |reading )?(?:type|source|origin)")
"""Names of a column of origin: a model, or the quantity."""
QUANTITY = re.compile(
    r"(?:data |observation |observed |measured |time |ts |hydro(?:logical)? )?"
    r"(?:param(?:eter)?|variable|series|element|property|quantity|measurement|measurand|kind|"
    r"category|indicator)(?: (?:name|code|type|kind|label))?|"
    r"(?:observation|record|series|measurement) type|statistic|"
    r"พารามิเตอร์|ตัวแปร|(?:ประเภท|ชนิด)(?:ข้อมูล)?|yếu tố|thông số|loại(?: số liệu)?|ປະເພດ"
)
"""Names of a column of the quantity of a reading."""
MEANING = re.compile(
    r"^(?!.* (?:by|date|on)$).*\b(?:datum|quality|qc|qa|flags?|status|qualifiers?|validity|"
    r"offset|scale|factor|multiplier|time ?zone|tz|zone|reference|zero|missing|suspect|error|"
    r"correct(?:ion|ed)|adjust(?:ment|ed)|calibration|bias|confidence|reliability|approv(?:al|ed)|accepted|"
    r"rejected|anomaly|outlier|is (?:forecast|simulated|estimated))\b|คุณภาพ"
)
"""Names of a column that changes the meaning of the others, so that a table with it is refused."""


def is_used(name: str) -> bool:
    """Return whether a column gives, in any layout, the quality, origin or quantity of readings."""
    return any(pattern.fullmatch(name) for pattern in (QUALITY, CHECKED, ORIGIN, QUANTITY))
