from __future__ import annotations

import pytest

from pipeline.geography import places
from pipeline.pages.edition import Edition
from pipeline.pages.frame import environment, frame, name_clock
from tests.pages.page_cases import ISSUED


@pytest.mark.parametrize(
    ("city", "clock"),
    [("vientiane", "UTC+7"), ("yangon", "UTC+6:30"), ("jinghong", "UTC+8")],
)
def test_a_citys_clock_is_named(city: str, clock: str) -> None:
    assert name_clock(places.city(city, asof=ISSUED)) == clock


def test_times_are_on_the_clock_of_the_place(edition: Edition) -> None:
    words = frame(edition, "en")
    assert words["made"] == "Made on 20 August at 07:30."
    assert words["holds"] == "Holds until 22 August, 13:30."
    words = frame(edition, "en", places.city("jinghong", asof=edition.issue_time))
    assert words["made"] == "Made on 20 August at 08:30."


def test_an_exercise_has_its_mark_in_every_language(edition: Edition) -> None:
    marks = [frame(edition, language)["mark"] for language in ("en", "km", "zh")]
    assert marks == ["EXERCISE", "សមយុទ្ធ", "演习"]


def test_all_that_is_filled_in_is_escaped_and_nothing_may_lack() -> None:
    template = environment().from_string("<p>{{ name }}</p>")
    assert template.render(name="<b>") == "<p>&lt;b&gt;</p>"
