"""The findings: each runs by itself, with pinned packages, without this project, and is told of."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

FINDINGS = Path(__file__).parents[1] / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_finding_stands_by_itself(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    (packages,) = re.findall(r"pip\" install --quiet (.*)", text)
    assert all("==" in package for package in packages.split())
    assert "set -euo pipefail" in text
    assert not re.search(r"^(import|from) stems", text, re.MULTILINE)
    code = re.search(r"<<'PYTHON'\n(.*)^PYTHON$", text, re.MULTILINE | re.DOTALL)
    assert code
    compile(code[1], script.name, "exec")
    assert "assert" in code[1]
    subprocess.run(["bash", "-n", script], check=True)


def test_the_list_names_each_finding() -> None:
    listed = re.findall(r"`(\S+\.sh)`", (FINDINGS / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == [script.name for script in SCRIPTS]
