"""The recipes of ``docs/how-to/other-frameworks.md``, run with the real frameworks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.litellm_proxy import litellm_proxy
from tests.snippets import Snippets, blocks

if TYPE_CHECKING:
    from tests.loopback import Loopback

PAGE = Path(__file__).parents[1] / "docs/how-to/other-frameworks.md"
NEEDED = ("dspy", "fastapi", "langchain_litellm", "pydantic_ai")

pytestmark = [
    pytest.mark.skipif(
        not all(importlib.util.find_spec(each) for each in NEEDED), reason="needs the frameworks: nox -s frameworks"
    ),
    pytest.mark.filterwarnings("default"),  # theirs
]


def test_recipes(server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each recipe gives an invoice of the type that was asked for, and the models were asked."""
    with litellm_proxy(tmp_path, server.environment()) as proxy, Snippets() as snippets:
        monkeypatch.setenv("LITELLM_PROXY_API_BASE", proxy.url)
        monkeypatch.setenv("LITELLM_PROXY_API_KEY", proxy.key)
        monkeypatch.setenv("DSPY_CACHEDIR", str(tmp_path / "dspy"))  # else it remembers the last run
        recipes = [block for block in blocks(PAGE) if block.language == "python"]
        for number, block in enumerate(recipes):
            server.reset()
            snippets.run(block.source, str(PAGE), block.line)
            if number:
                snippets.run("assert type(invoice) is Invoice", str(PAGE), block.line)
                assert server.count() == 2
        assert len(recipes) == 4
