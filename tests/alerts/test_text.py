from __future__ import annotations

import hashlib
from dataclasses import replace

from shapely.geometry import Polygon

from models.stage import design
from pipeline.alerts import text as alert_text
from pipeline.alerts.evidence import DRIVERS
from pipeline.alerts.levels import Level
from tests.alerts.alert_cases import (
    CITY,
)


def test_slots_of_every_language_match() -> None:
    for language in alert_text.LANGUAGES:
        templates = alert_text.read_templates(language)
        assert templates["language"] == language
        assert templates["reviewed"] is (language == "en")
        assert len(templates["months"]) == 12
        assert set(templates["driver"]) == set(DRIVERS) == set(design.DRIVERS)


def test_the_digest_of_the_templates_is_that_of_their_files() -> None:
    digests = alert_text.messages_digest()
    assert list(digests) == list(alert_text.LANGUAGES)
    for language, digest in digests.items():
        content = (alert_text.FOLDER / f"{language}.toml").read_bytes()
        assert digest == hashlib.sha256(content).hexdigest()
    assert len(set(digests.values())) == len(digests)


def test_the_area_in_words_reaches_as_far_as_the_polygon() -> None:
    """0.36 degrees of latitude are 39.8 km at 18 N."""
    corners = [(102.616, 18.291), (102.5, 17.9), (102.7, 17.9), (102.616, 18.291)]
    city = replace(CITY, area=Polygon(corners))
    for language in alert_text.LANGUAGES:
        text = alert_text.compose_cancellation(
            city, "flood", event=Level.WATCH, status="Test", note="x", language=language
        )
        assert text.area.startswith("Vientiane")
        assert "40" in text.area
    assert CITY.area != city.area


def test_a_cancellation_names_the_error_and_calms_nothing() -> None:
    for language in alert_text.LANGUAGES:
        text = alert_text.compose_cancellation(
            CITY,
            "flood",
            event=Level.WARNING,
            status="Actual",
            note="Issued in error: wrong gauge.",
            language=language,
        )
        templates = alert_text.read_templates(language)
        assert text.event == templates["event"]["flood_warning"]
        assert text.headline == alert_text.describe_unassessed("flood", "Vientiane", language)
        assert text.description.splitlines()[-1] == "Issued in error: wrong gauge."
        assert templates["instruction"]["over"] not in text.instruction
