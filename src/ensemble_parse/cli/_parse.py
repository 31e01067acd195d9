"""``ensemble-parse parse``: one text, one answer as JSON."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ensemble_parse._errors import ConfigurationError, DegradedResult
from ensemble_parse.cli import _options
from ensemble_parse.cli._asked import Asked
from ensemble_parse.cli._schema import response_format

if TYPE_CHECKING:
    from ensemble_parse._models import Result


def parse(
    *,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="What to read.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="Read this file instead; without either, standard input."),
    ] = None,
    schema: _options.Schema,
    config: _options.Config = None,
    ensemble: _options.Name = None,
    model: _options.Models = None,
    local: _options.Local = 0,
    judge: _options.Judge = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show who said what on standard error.")] = False,
    strict: _options.Strict = False,
    deadline: _options.Deadline = None,
    budget: _options.Budgeted = None,
) -> None:
    """Ask about one text and print the answer as JSON, and nothing else, on standard output."""
    asked = Asked(
        config=config,
        name=ensemble,
        models=model or (),
        local=local,
        judge=judge,
        strict=strict,
        deadline=deadline,
        budget=budget or (),
    )
    # What a module of the user's or a library prints is no part of the answer.
    with contextlib.redirect_stdout(sys.stderr):
        type_ = response_format(schema)
        try:
            result = asyncio.run(_asked(asked, _text(text, file), type_))
        except DegradedResult as error:
            if explain:
                _show(error.result)
            raise
    data = result.format.data(result.output)
    try:
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
    except UnicodeEncodeError:  # a standard output that cannot say it; what was paid for is not lost
        typer.echo(json.dumps(data, indent=2))
    if explain:  # behind the answer, which must come out even where nobody takes this
        _show(result)


async def _asked(asked: Asked, text: str, type_: Any) -> "Result[Any]":
    async with asked.ensemble() as ensemble:
        return await ensemble.run(text, type_)


def _text(text: str | None, file: Path | None) -> str:
    if text is not None and file is not None:
        message = "give a text or --file, not both"
        raise ConfigurationError(message)
    read = _read(file) if text is None else text
    if not read.isascii() and any("\ud800" <= each <= "\udfff" for each in read):  # as Python reads another encoding
        message = f"{'standard input' if text is None else 'the text'}: it is no text in UTF-8"
        raise ConfigurationError(message)
    if not read.strip():
        message = "there is nothing to read: the text is empty"
        raise ConfigurationError(message)
    return read


def _read(file: Path | None) -> str:
    try:
        if file is not None:
            return file.read_text(encoding="utf-8-sig")
        return sys.stdin.read().removeprefix("\ufeff") if sys.stdin else ""
    except OSError as error:
        message = f"{file}: it cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        message = f"{file or 'standard input'}: it is no text in UTF-8"
    raise ConfigurationError(message)


def _show(result: "Result[Any]") -> None:
    from rich.console import Console

    Console(stderr=True).print(result)
