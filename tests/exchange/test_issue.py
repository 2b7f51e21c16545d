from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.exchange.issue import Issue

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


def test_an_issue_says_when_the_next_comes_and_when_the_system_is_silent() -> None:
    issue = Issue(issue_time=ISSUED, status="Exercise", origin="virtual")
    assert issue.members() == {
        "schema_version": 1,
        "issue_time": "2026-08-20T00:30:00Z",
        "next_expected_at": "2026-08-21T06:30:00Z",
        "expires_at": "2026-08-22T06:30:00Z",
        "status": "Exercise",
        "origin": "virtual",
    }


def test_virtual_data_is_an_exercise() -> None:
    for status in ("Test", "Actual"):
        assert Issue(issue_time=ISSUED, status=status, origin="measured").status == status
        with pytest.raises(ValueError, match=f"expected status Exercise .* found {status}"):
            Issue(issue_time=ISSUED, status=status, origin="virtual")
