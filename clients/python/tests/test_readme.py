"""What README.md shows does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Server

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_runs(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 7
    names: dict[str, object] = {"ADDRESS": server.address}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    printed = capsys.readouterr().out
    assert "Placed(topic='analysis/indicators/5m', partition=13, offset=0" in printed
    assert "FIELD_MISSING" in printed
    assert "did you mean `venue`?" in printed
    assert printed.count("MSFT") >= 100
    assert printed.endswith("159.0\n")
