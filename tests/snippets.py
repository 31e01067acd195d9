"""Run the examples of documents and docstrings, top-level ``await`` included."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import re
import sys
import traceback
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Literal, Self

from sybil import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FENCED = FencedCodeBlockLexer(r"[\w+-]*")
_SKIP = re.compile(r"<!-- skip:(?P<reason>[^>]*)-->\s*\Z")
_FILE = re.compile(r"<!-- file: (?P<name>[\w.-]+) -->\s*\Z")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page.

    Attributes:
        line: that of its first line of text.
        skip: why it is not run, from ``<!-- skip: reason -->`` right before it.
        file: what it is called in the code behind it, from ``<!-- file: name -->`` right before it.
    """

    page: Path
    line: int
    language: str
    source: str
    skip: str | None
    file: str | None


def blocks(page: Path) -> Iterator[Block]:
    """Find the fenced blocks of a page, in order."""
    document = Document(page.read_text(encoding="utf-8"), str(page))
    for region in _FENCED(document):
        source = region.lexemes["source"]
        skip = _SKIP.search(document.text, 0, region.start)
        file = _FILE.search(document.text, 0, region.start)
        yield Block(
            page=page,
            line=document.text.count("\n", 0, region.start + source.offset) + 1,
            language=region.lexemes["language"],
            source=str(source),
            skip=skip["reason"].strip() if skip else None,
            file=file["name"] if file else None,
        )


class Snippets:
    """Code that is run piece by piece in one module and on one event loop, as in a notebook."""

    def __init__(self, names: dict[str, object] | None = None) -> None:
        """Start with these names."""
        self._module = ModuleType("example")
        vars(self._module).update(names or {}, __name__="example")
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        """Be a module that can be found, which dataclasses, pickle and Pydantic ask for."""
        sys.modules["example"] = self._module
        return self

    def __exit__(self, *_: object) -> None:
        """Close the loop and forget the module."""
        self._runner.close()
        del sys.modules["example"]

    def run(self, source: str, path: str, line: int) -> None:
        """Run a piece; errors point into its page."""
        self._execute("\n" * (line - 1) + source, path, "exec")

    def check(self, source: str, path: str, line: int) -> None:
        """Run an interactive session and compare what it shows."""
        for example in doctest.DocTestParser().get_examples(source, path):
            options = _FLAGS
            for flag, on in example.options.items():
                options = options | flag if on else options & ~flag
            if options & doctest.SKIP:
                continue
            at = line + example.lineno
            got = self._show("\n" * (at - 1) + example.source, path)
            want = example.want if example.exc_msg is None else example.exc_msg
            checker = doctest.OutputChecker()
            if not checker.check_output(want, got, options):
                message = f"{path}:{at}: {example.source}{checker.output_difference(example, got, options)}"
                raise AssertionError(message)

    def _show(self, source: str, path: str) -> str:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            try:
                self._execute(source, path, "single")
            except Exception as error:  # noqa: BLE001 - compared with what the example says
                return "".join(traceback.format_exception_only(error))
        return shown.getvalue()

    def _execute(self, source: str, path: str, mode: Literal["exec", "single"]) -> None:
        # Without inheriting: this file's own __future__ imports are not the example's.
        code: CodeType = compile(source, path, mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        awaitable = eval(code, vars(self._module))  # noqa: S307 - running examples is what this is for
        if code.co_flags & inspect.CO_COROUTINE:
            self._runner.run(awaitable)
