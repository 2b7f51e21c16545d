"""What was issued is explained and made again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline import review, steps
from pipeline.settings import Settings
from pipeline.storage.records import Records
from tests.conftest import LayOver
from tests.exchange.key_cases import pem
from tests.test_steps import ASOF, gauges


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        upstream="archive",
        records_url=None,
        signing_keys_pem=SecretStr(pem("A")),
    )


def test_what_an_edit_of_a_table_does_to_replay_and_to_the_next_publication(
    settings: Settings, tmp_path: Path, lay_over: LayOver
) -> None:
    gauges(settings, tmp_path / "exports", [11.0, 11.6, 12.2], asof=ASOF)
    steps.forecast(asof=ASOF, settings=settings)
    assert steps.publish(asof=ASOF, settings=settings).revision == 0
    (message,) = (settings.published_dir / "latest").glob("cap/*.xml")
    sent = message.read_bytes()
    lay_over(
        "thresholds.csv",
        "station,kind,value,unit,source,as_of,verified",
        "013901,flood,12.1,m above gauge zero,the agency itself,2026,V",
    )
    lines = review.explain_message(message.stem, settings=settings)
    assert len(lines) == 10
    assert "12.2 m at 013901" in lines[2]
    again = review.replay(message.stem, settings=settings)
    assert again.content != sent
    assert again.difference == (
        f"{message.stem} is not what was sent: changed since: thresholds.csv"
    )
    done = steps.publish(asof=ASOF, settings=settings)
    assert done.revision == 1, "forecast anew: what was sent stays as it was"
    newer = message.stem.replace("-r0", "-r1")
    index = json.loads((settings.published_dir / "latest/index.json").read_text("utf-8"))
    assert index["revision"] == 1
    assert review.replay(newer, settings=settings).difference == ""
    assert Records(settings.database).alert(message.stem)["revision"] == 0


def test_a_city_is_explained_by_any_name_and_for_both_hazards(
    settings: Settings, tmp_path: Path
) -> None:
    gauges(settings, tmp_path / "exports", [11.0, 11.6, 12.2], asof=ASOF)
    steps.forecast(asof=ASOF, settings=settings)
    steps.publish(asof=ASOF, settings=settings)
    flood, drought = (
        review.explain("pakse", hazard, asof=ASOF, settings=settings)
        for hazard in ("flood", "drought")
    )
    assert "Pakse LA, flood" in flood[0]
    assert review.explain("Pakse", asof=ASOF, settings=settings) == (*flood, "", *drought)
    (message,) = (settings.published_dir / "latest").glob("cap/*.xml")
    told = review.explain(message.stem, asof=ASOF, settings=settings)
    assert told == review.explain_message(message.stem, settings=settings)
    with pytest.raises(LookupError, match=r"identifier 'Pakze' was sent; .*near: Pakse"):
        review.explain("Pakze", asof=ASOF, settings=settings)
    with pytest.raises(LookupError, match=r"^city: expected .* found 'Pakze'"):
        review.explain("Pakze", "flood", asof=ASOF, settings=settings)


def test_a_message_that_was_never_sent_is_not_explained(settings: Settings) -> None:
    with pytest.raises(LookupError, match="no message with the identifier 'mekong-x' was sent"):
        review.explain_message("mekong-x", settings=settings)
