from __future__ import annotations

from typing import get_args

import pytest

from pipeline.settings import ROOT
from pipeline.supervision.run_book import GUIDE, RUN_BOOK, Kind, find_fault
from tests.project.test_docs import anchors


def test_every_fault_has_its_lines_in_the_guide() -> None:
    text = (ROOT / GUIDE).read_text(encoding="utf-8")
    for code, entry in RUN_BOOK.items():
        assert entry.anchor in anchors(ROOT / GUIDE), code
        lines = text.split("\n## Run book\n")[1].split("\n## ")[0].split("\n### ")
        own = [
            part
            for part in lines
            if part.partition("\n")[0].lower().replace(" ", "-") == entry.anchor
        ]
        assert len(own) == 1, code
        assert f"`{entry.urgency}`" in own[0], f"{code}: its urgency stands there"


def test_no_lines_are_left_over() -> None:
    text = (ROOT / GUIDE).read_text(encoding="utf-8").split("\n## Run book\n")[1]
    heads = [part.partition("\n")[0] for part in text.split("\n## ")[0].split("\n### ")[1:]]
    assert {head.lower().replace(" ", "-") for head in heads} == {
        entry.anchor for entry in RUN_BOOK.values()
    }


@pytest.mark.parametrize(
    ("kind", "dag", "task", "urgency"),
    [
        ("failed", "mekong_nightly", "publish", "wake"),
        ("failed", "mekong_nightly", "ingest.smap", "tomorrow"),
        ("hung", "mekong_nightly", "forecast", "wake"),
        ("hung", "mekong_verify", "verify", "tomorrow"),
        ("failed", "mekong_train", "train", "tomorrow"),
        ("failed", "mekong_watch", "watch", "wake"),
        ("failed", "mekong_watch", None, "wake"),
        ("failed", "mekong_watch", "remind", "tomorrow"),
        ("failed", "mekong_nightly", None, "wake"),
        ("late", "mekong_nightly", None, "wake"),
        ("failed", "a_dag_of_tomorrow", "x", "wake"),
    ],
)
def test_what_is_not_known_to_wait_wakes_somebody(
    kind: Kind, dag: str, task: str | None, urgency: str
) -> None:
    assert RUN_BOOK[find_fault(kind, dag=dag, task=task)].urgency == urgency


def test_each_kind_of_a_task_has_a_fault() -> None:
    for kind in set(get_args(Kind)) - {"invalid"}:
        assert find_fault(kind, dag="mekong_nightly", task="publish") in RUN_BOOK
