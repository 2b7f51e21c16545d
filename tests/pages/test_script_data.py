from __future__ import annotations

import json
from datetime import datetime

from pipeline.pages.edition import Edition
from pipeline.pages.river import River
from pipeline.pages.script_data import describe_for_script, write_city_data, write_data
from tests.pages.page_cases import BANK, CITIES, NO_GAUGE, gauge_of


def test_the_data_of_a_city_have_its_gauge_and_morning(edition: Edition) -> None:
    river = River(edition.cities[BANK], edition, "en")
    data = json.loads(write_city_data(edition, BANK, river, "en"))
    assert (data["place"], data["station"], data["stage"]) == (BANK, gauge_of(BANK).code, 10.4)
    assert len(data["days"]) == 7
    assert datetime.fromisoformat(data["since"]).isoformat() == "2026-08-20T00:00:00+07:00"
    assert data["status"] == "Exercise"


def test_a_place_without_a_gauge_has_no_days(edition: Edition) -> None:
    assert "days" not in json.loads(write_city_data(edition, NO_GAUGE, None, "en"))


def test_names_and_gauges_are_those_of_the_cities(edition: Edition) -> None:
    data = describe_for_script(edition, edition.cities.values(), "en")
    assert set(data["names"]) == set(CITIES)
    assert data["gauges"][gauge_of(BANK).code] == BANK
    assert data["levels"] == {"watch": 1, "warning": 2, "emergency": 3}


def test_data_cannot_end_their_element() -> None:
    data = {"name": "</script><script>"}
    assert "<" not in write_data(data)
    assert json.loads(write_data(data)) == data
