"""Digests of a run's tables, texts and code, and why a replay would differ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.issuance.provenance import digest_code, digest_rules, explain_difference
from tests.conftest import STAGE_HEAD, LayOver

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


def run(**changes: object) -> dict[str, object]:
    """Row of a run of today's tables, texts and code."""
    row = {"rules": digest_rules(ISSUED), "issue_time": ISSUED, "code": digest_code()}
    return row | changes


def test_every_table_and_language_has_a_digest() -> None:
    digests = digest_rules(ISSUED)
    assert {"thresholds.csv", "stations.csv", "messages/en.toml", "messages/km.toml"} <= {*digests}
    assert all(len(digest) == 64 for digest in digests.values())
    assert digest_code() == digest_code()
    assert len(digest_code()) == 64


def test_a_row_changes_the_digest_of_its_table_from_its_day_on(lay_over: LayOver) -> None:
    days = ISSUED, ISSUED + timedelta(days=1)
    before = [digest_rules(day) for day in days]
    lay_over("thresholds.csv", STAGE_HEAD, "013901,alarm,10.5,m,the agency,2026-08-21,V")
    after = [digest_rules(day) for day in days]
    assert after[0] == before[0]
    assert {name for name in after[1] if after[1][name] != before[1][name]} == {"thresholds.csv"}


def test_what_has_changed_is_named_tables_and_texts_before_code(lay_over: LayOver) -> None:
    same = run()
    neither = "neither tables, texts nor code have changed since: see the stores and models"
    assert explain_difference(same) == neither
    other_code = run(code="0")
    assert explain_difference(other_code) == "no table or text has changed since, the code has"
    lay_over("thresholds.csv", STAGE_HEAD, "013901,alarm,10.5,m,the agency,2026-01-01,V")
    assert explain_difference(other_code) == "changed since: thresholds.csv"
    gone = run(rules=digest_rules(ISSUED) | {"old.csv": "0", "messages/en.toml": "0"})
    assert explain_difference(gone) == "changed since: messages/en.toml, old.csv"


def test_a_run_without_digests_says_so() -> None:
    reason = "the run was stored before digests of its tables and texts were kept"
    assert explain_difference(run(rules=None)) == reason
