"""Models come back from the registry as they were saved, or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.neural_network import MLPRegressor

from models import registry
from models.registry import METADATA, NoModels, UntrustedModel, load, load_last, save
from models.stage.features import StageInputs
from models.stage.model import StageModel, predict, predict_dates
from models.stage.training import fit
from tests.models.conftest import END, TOWN

ISSUE = datetime(2010, 8, 10, 0, 30, tzinfo=UTC)
ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


def test_what_is_loaded_forecasts_as_what_was_saved(
    tmp_path: Path, trained: StageModel, made_up: StageInputs
) -> None:
    version = save({"stage": trained}, {"origin": "virtual"}, tmp_path)
    models, metadata = load(tmp_path)
    assert metadata == {"origin": "virtual", "version": version}
    pd.testing.assert_frame_equal(
        predict(models["stage"], made_up, issue_time=ISSUE, model_version=version),
        predict(trained, made_up, issue_time=ISSUE, model_version=version),
    )


def test_version_is_the_content(tmp_path: Path, made_up: StageInputs, trained: StageModel) -> None:
    again = fit(made_up, end=END, stations=["013101", TOWN])
    first = save({"stage": trained}, {"n": 1}, tmp_path / "a")
    assert save({"stage": again}, {"n": 1}, tmp_path / "b") == first
    other = save({"stage": trained}, {"n": 2}, tmp_path / "a")
    assert other != first
    same = [(tmp_path / one / first / "stage.skops").read_bytes() for one in ("a", "b")]
    assert same[0] == same[1]


def test_latest_moves_and_old_versions_stay(tmp_path: Path) -> None:
    first = save({"x": np.arange(3.0)}, {}, tmp_path)
    second = save({"x": np.arange(4.0)}, {}, tmp_path)
    assert load(tmp_path)[1]["version"] == second
    assert load(tmp_path, first)[0]["x"].tolist() == [0.0, 1.0, 2.0]
    assert save({"x": np.arange(3.0)}, {}, tmp_path) == first
    assert load(tmp_path)[1]["version"] == first
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first, second, "latest"])


def test_a_foreign_type_is_refused_at_both_doors(tmp_path: Path) -> None:
    foreign = {"path": Path("somewhere")}
    with pytest.raises(UntrustedModel, match="expected types that this version"):
        save({"stage": foreign}, {}, tmp_path)
    version = save({"stage": np.arange(2.0)}, {}, tmp_path)
    (tmp_path / version / "stage.skops").write_bytes(skops.io.dumps(foreign))
    with pytest.raises(UntrustedModel, match="bytes that were saved"):
        load(tmp_path, version)


def test_a_model_can_be_checked_before_it_is_trained() -> None:
    registry.check_types(MLPRegressor(tol=1e9, n_iter_no_change=1).fit(np.eye(9), np.arange(9.0)))
    with pytest.raises(UntrustedModel, match=r"models are saved without pathlib\..*PosixPath"):
        registry.check_types({"path": Path("somewhere")})


def test_types_are_checked_even_where_the_bytes_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: StageModel
) -> None:
    version = save({"stage": trained}, {}, tmp_path)
    monkeypatch.setattr(registry, "TRUSTED", frozenset({"models.stage.model.StageModel"}))
    with pytest.raises(UntrustedModel, match=r"models\.stage\.regressor\.TierModel"):
        load(tmp_path, version)


def test_no_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="found none"):
        load(tmp_path)
    save({"x": np.arange(3.0)}, {}, tmp_path)
    for wrong in ("../elsewhere", "0" * 16):
        with pytest.raises(LookupError, match="model version"):
            load(tmp_path, wrong)


def model(folder: Path, trained: datetime) -> str:
    metadata = {"asof": trained.isoformat(), "origin": "virtual"}
    return save({"stage": {"slope": 1.0}}, metadata, folder)


def test_a_night_takes_the_last_models_trained_by_then(tmp_path: Path) -> None:
    first = model(tmp_path, datetime(2025, 1, 1, tzinfo=UTC))
    second = model(tmp_path, datetime(2026, 1, 1, tzinfo=UTC))
    model(tmp_path, datetime(2027, 1, 1, tzinfo=UTC))

    def version(asof: datetime) -> str:
        return str(load_last(tmp_path, asof=asof)[1]["version"])

    assert version(ASOF) == second
    assert version(datetime(2026, 1, 1, tzinfo=UTC)) == second
    assert version(datetime(2025, 12, 31, tzinfo=UTC)) == first
    with pytest.raises(NoModels, match="expected models trained by 2024-06-01, found none"):
        version(datetime(2024, 6, 1, tzinfo=UTC))


def test_a_training_that_was_killed_leaves_no_model(tmp_path: Path) -> None:
    whole = model(tmp_path, datetime(2025, 1, 1, tzinfo=UTC))
    draft = tmp_path / ".draft-x1y2z3"
    shutil.copytree(tmp_path / whole, draft)
    metadata = json.loads((draft / METADATA).read_text("utf-8"))
    metadata["asof"] = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    (draft / METADATA).write_text(json.dumps(metadata), "utf-8")
    assert load_last(tmp_path, asof=ASOF)[1]["version"] == whole


def spoil_bytes(folder: Path) -> None:
    path = next(folder.glob("*.skops"))
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_bytes, "expected the bytes that were saved, found others"),
        (lambda folder: (folder / METADATA).unlink(), "No such file"),
        (lambda folder: (folder / METADATA).write_text(""), "Expecting value"),
        (lambda folder: (folder / METADATA).write_text('{"asof": 3}'), "isoformat"),
        (lambda folder: next(folder.glob("*.skops")).unlink(), "expected the bytes"),
    ],
)
def test_damaged_models_are_named_and_those_before_used(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    before = model(tmp_path, datetime(2025, 1, 1, tzinfo=UTC))
    newest = model(tmp_path, datetime(2026, 1, 1, tzinfo=UTC))
    assert load_last(tmp_path, asof=ASOF)[1]["broken"] == []
    spoil(tmp_path / newest)
    metadata = load_last(tmp_path, asof=ASOF)[1]
    assert metadata["version"] == before
    (broken,) = metadata["broken"]
    assert broken.startswith(f"models {newest} are damaged (")
    assert said in broken
    spoil(tmp_path / before)
    with pytest.raises(NoModels, match=f"models {before} are damaged .*; run: mekong train"):
        load_last(tmp_path, asof=ASOF)


@pytest.mark.slow
def test_models_of_any_regressor_are_kept(made_up: StageInputs, tmp_path: Path) -> None:
    dates = made_up.stage.index[-3:]
    for regressor in (HistGradientBoostingRegressor(max_iter=3), ExtraTreesRegressor(2)):
        model = fit(made_up, end=END, stations=[TOWN], leads=(1,), regressor=regressor)
        version = save({"stage": model}, {}, tmp_path)
        back, _ = load(tmp_path, version)
        expected, found = (
            predict_dates(kept, made_up, dates=dates, model_version="x")
            for kept in (model, back["stage"])
        )
        pd.testing.assert_frame_equal(found, expected)
