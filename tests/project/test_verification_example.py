"""The lines of docs/signatures.md by which anybody verifies a published folder."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.exchange.key_files import write_public
from pipeline.settings import ROOT
from tests.exchange.key_cases import VERSION, keys_of, write_tree

GUIDE = (ROOT / "docs" / "signatures.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", EXAMPLE, "published", "public.pem"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_needs_the_standard_library_and_one_other() -> None:
    modules = set()
    for node in ast.walk(ast.parse(EXAMPLE)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(str(node.module).partition(".")[0])
    assert modules - sys.stdlib_module_names == {"cryptography"}
    statements = [node for node in ast.walk(ast.parse(EXAMPLE)) if isinstance(node, ast.stmt)]
    imports = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    assert len({node.lineno for node in statements}) - len(imports) <= 20


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("latest.json", "latest.json: expected a signature by a pinned key, found none"),
        ("latest.json.sig", "latest.json: expected a signature by a pinned key, found none"),
        (f"{VERSION}/index.json", f"{VERSION}/index.json: expected SHA-256"),
        (f"{VERSION}/index.json.sig", f"{VERSION}/index.json: expected a signature by a pinned"),
        (f"{VERSION}/alerts.csv", f"{VERSION}/alerts.csv: expected SHA-256"),
        (f"{VERSION}/cap/en/a.xml", f"{VERSION}/cap/en/a.xml: expected SHA-256"),
    ],
)
def test_it_verifies_a_tree_and_finds_a_flipped_byte(tmp_path: Path, name: str, fault: str) -> None:
    keys = keys_of("A")
    root = write_tree(tmp_path / "published", keys)
    write_public(tmp_path / "public.pem", keys.public)
    done = verify(tmp_path)
    assert done.stdout == f"{VERSION}: every file is as it was signed\n", done.stderr
    spoilt = bytearray((root / name).read_bytes())
    spoilt[10] ^= 1
    (root / name).write_bytes(spoilt)
    done = verify(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"published/{fault}")


def test_it_believes_pinned_keys_alone_and_both_in_a_rotation(tmp_path: Path) -> None:
    write_tree(tmp_path / "published", keys_of("B", "A"))
    for names, code in ((("A",), 0), (("B",), 0), (("C",), 1), (("C", "A"), 0)):
        (tmp_path / "public.pem").unlink(missing_ok=True)
        write_public(tmp_path / "public.pem", keys_of(*names).public)
        assert verify(tmp_path).returncode == code, names
