"""What training of the stage model asks for, and what gauges share."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from models.stage import training
from models.stage.features import StageInputs, build_library
from models.stage.model import StageModel
from models.stage.training import find_training_days, fit, stage_targets
from tests.models.conftest import END, TOWN, UPSTREAM, ridge_of


def test_fit_wants_two_years(made_up: StageInputs) -> None:
    short = made_up.until(made_up.stage.index[0] + pd.Timedelta(days=600))
    with pytest.raises(ValueError, match="2 years"):
        fit(short, end=END, stations=[TOWN])
    with pytest.raises(ValueError, match="2 years"):
        fit(made_up, end=END, stations=["019999"])


def test_gauges_share_what_they_found_to_matter() -> None:
    flood, whole = 2, ("all", 0)
    one = {
        (flood, whole): {"level:own": 1.5, "rain:a:0": 0.5},
        (flood, ("before", 2010)): {"x": 1.0},
    }
    other = {(flood, whole): {"level:own": 0.5}}
    assert training._mean_variances([one, other]) == {
        (flood, whole): {"level:own": 1.0, "rain:a:0": 0.5}, (flood, ("before", 2010)): {"x": 1.0},
    }  # fmt: skip


def test_models_do_not_depend_on_the_number_of_processes(
    made_up: StageInputs, trained: StageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    alone = fit(made_up, end=END, stations=[UPSTREAM, TOWN])
    for code in (UPSTREAM, TOWN):
        for tier, model in trained.stations[code].tiers_.items():
            other = alone.stations[code].tiers_[tier]
            own, same = (ridge_of(fitted.stations[code], tier) for fitted in (trained, alone))
            assert np.array_equal(same.coefficients, own.coefficients)
            assert np.array_equal(
                other.errors.distribution.quantiles, model.errors.distribution.quantiles
            )


def test_a_process_that_is_killed_is_told(
    made_up: StageInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(training, "select_neighbours", die)
    with pytest.raises(RuntimeError, match=r"trains gauges, found one that ended \(-9\)"):
        fit(made_up, end=END, stations=[TOWN])
    monkeypatch.undo()
    assert multiprocessing.active_children() == []


def test_what_goes_wrong_in_a_process_is_raised_here(
    made_up: StageInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("no such gauge")

    monkeypatch.setattr(training, "select_neighbours", fail)
    with pytest.raises(LookupError, match="no such gauge"):
        fit(made_up, end=END, stations=[UPSTREAM, TOWN])
    assert multiprocessing.active_children() == []


def test_short_gaps_of_the_target_are_interpolated(made_up: StageInputs) -> None:
    table = made_up.stage.copy()
    table.iloc[[100, 101, 200, 201, 202], 1] = np.nan
    lib = build_library(replace(made_up, stage=table))
    target = stage_targets(lib, TOWN, leads=(1,))[:, 0]
    whole = made_up.stage[TOWN].to_numpy()
    assert target[99] == pytest.approx(whole[99] + (whole[102] - whole[99]) / 3)
    assert np.isnan(target[201]), "three days are too many"
    assert target[:90] == pytest.approx(whole[1:91])


def test_a_day_counts_if_its_stage_and_those_of_all_leads_are_known(made_up: StageInputs) -> None:
    table = made_up.stage.copy()
    table.iloc[200:203, 1] = np.nan
    lib = build_library(replace(made_up, stage=table))
    days = find_training_days(lib, TOWN, stage_targets(lib, TOWN, leads=(1, 3)))
    assert days[:199].all()
    assert np.flatnonzero(~days[:210]).tolist() == [199, 201, 202]
    assert days[-4]
    assert not days[-3:].any(), "what comes after them is not known"


def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """The children wait for the mean of all gauges, which never comes."""
    code = f"""
import os, time
from pathlib import Path
from models.stage import training
from tests.models.conftest import END, TOWN, UPSTREAM, river

def wait(_):
    for child in training.multiprocessing.active_children():
        with Path({str(tmp_path / "pids")!r}).open("a") as file:
            print(child.pid, file=file)
    os.kill(os.getpid(), 9)

training._mean_variances = wait
training.joblib.cpu_count = lambda: 2
training.fit(river(years=4), end=END, stations=[UPSTREAM, TOWN])
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in (tmp_path / "pids").read_text("utf-8").split()]
    assert len(pids) == 2
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return
        time.sleep(0.1)
    pytest.fail("expected that the processes end, found them waiting")


@pytest.mark.slow
@pytest.mark.parametrize("stations", ["UPSTREAM, TOWN", "TOWN"])
def test_a_process_does_not_go_on_without_its_parent(tmp_path: Path, stations: str) -> None:
    """The parent is killed while its child fits: neither another gauge nor a traceback follows."""
    fitted, errors = tmp_path / "fitted", tmp_path / "errors"
    code = f"""
import os, time
from pathlib import Path
from models.stage import training
from tests.models.conftest import END, TOWN, UPSTREAM, river

parent, prepare = os.getpid(), training.StageRegressor.prepare

def prepare_and_kill(self, *arguments):
    with Path({str(fitted)!r}).open("a") as file:
        print(os.getpid(), file=file)
    os.kill(parent, 9)
    time.sleep(0.2)
    return prepare(self, *arguments)

training.StageRegressor.prepare = prepare_and_kill
training.joblib.cpu_count = lambda: 1
training.fit(river(years=4), end=END, stations=[{stations}])
"""
    with errors.open("w") as stderr:
        subprocess.run([sys.executable, "-c", code], check=False, stderr=stderr)
    pid = fitted.read_text("utf-8").split()[0]
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.1)
    assert fitted.read_text("utf-8").split() == [pid]
    assert "Traceback" not in errors.read_text("utf-8")


def test_other_work_is_done_beside_the_gauges(made_up: StageInputs) -> None:
    running = list[int]()
    model = fit(
        made_up,
        end=END,
        stations=[UPSTREAM, TOWN],
        leads=(1,),
        beside=lambda: running.append(len(multiprocessing.active_children())),
    )
    assert set(model.stations) == {UPSTREAM, TOWN}
    assert running == [min(2, joblib.cpu_count())]

    def fail() -> None:
        raise ValueError("no rain")

    with pytest.raises(ValueError, match="no rain"):
        fit(made_up, end=END, stations=[TOWN], leads=(1,), beside=fail)
    assert multiprocessing.active_children() == []
