from __future__ import annotations

from pipeline.geography.gauge_figures import reference_flows


def test_reference_flows() -> None:
    flows = reference_flows()
    assert list(flows.columns) == ["station", "month", "kind", "value", "verified"]
    assert flows["value"].gt(0).all()
    assert flows["month"].between(1, 12).all()
    value = flows.set_index(["station", "month", "kind"])["value"]
    assert value["010501", 12, "pmfm_6a"] == 1398
    assert value["014901", 4, "pmfm_6a"] == 1801
    assert value["039801", 10, "pmfm_6c"] == 5659
    assert value["014901", 9, "mean"] == 36_700
    assert flows.groupby("kind").size().to_dict() == {"mean": 84, "pmfm_6a": 18, "pmfm_6c": 32}
    flows["value"] = 0.0
    assert reference_flows()["value"].gt(0).all()
