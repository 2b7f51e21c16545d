"""The units and the container file that docs/operate.md hands to operators."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "docs" / "server"
SERVICES = sorted(SERVER.glob("*.service"))
LEAST_EXPOSED = 2.0
"""Limit of systemd's own measure of exposure: 0 is none, 10 is all."""
with_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def installed(folder: Path) -> list[Path]:
    """The units with the program of this machine in the place of the server's."""
    for path in SERVER.glob("mekong*"):
        text = path.read_text().replace("/opt/mekong/.venv/bin/mekong", "/usr/bin/true")
        (folder / path.name).write_text(text)
    return sorted(folder.iterdir())


@with_systemd
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    units = installed(tmp_path)
    assert [path.name for path in units] == [
        "mekong-backup-failed.service", "mekong-backup.service", "mekong-backup.timer",
        "mekong-remind.service", "mekong-remind.timer", "mekong.service",
    ]  # fmt: skip
    command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    broken = units[5].read_text().replace("ProtectSystem=strict", "ProtectSystem=total")
    units[5].write_text(broken)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "mekong.service:" in done.stderr


@with_systemd
@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_unit_exposes_little(service: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(service)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure is not None, done.stderr
    assert float(exposure[1]) <= LEAST_EXPOSED


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_unit_has_a_user_of_its_own_and_no_way_to_more(service: Path) -> None:
    lines = service.read_text().splitlines()
    assert {
        "User=mekong", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=",
    } <= set(lines)  # fmt: skip


def test_the_container_copies_and_runs_what_there_is() -> None:
    lines = (SERVER / "Containerfile").read_text().splitlines()
    tasks = [word for line in lines for word in re.findall(r'make\.py"?,? "?(\w+)', line)]
    assert tasks == ["setup", "up"]
    assert "USER mekong" in lines
    assert not [line for line in lines if line.startswith("ADD ") or "http" in line]


def test_own_data_and_secrets_are_not_copied_into_the_container() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"var", "data/*", "!data/reference", "mekong.toml", "**/*.key", "**/*.pem"} <= {*ignored}
    assert {".git", ".venv", ".tools", "logs"} <= {*ignored}
