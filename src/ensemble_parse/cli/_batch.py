"""``ensemble-parse batch``: a file of documents in, a file of answers out, and a journal beside it to go on from."""

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ensemble_parse._errors import ConfigurationError, EnsembleError
from ensemble_parse.cli import _options
from ensemble_parse.cli._asked import Asked
from ensemble_parse.cli._schema import response_format

if TYPE_CHECKING:
    from ensemble_parse.batch import Item


def batch(  # noqa: PLR0913 - an option each
    *,
    documents: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help='A line of JSON for each document: {"id": ..., "input": ...} or {"id": ..., "messages": ...}.',
        ),
    ],
    answers: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A line for each answer; OUT.journal beside it is what a run goes on from."),
    ],
    schema: _options.Schema,
    config: _options.Config = None,
    ensemble: _options.Name = None,
    model: _options.Models = None,
    local: _options.Local = 0,
    judge: _options.Judge = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", min=1, help="Documents that are asked about at a time.")
    ] = 8,
    unordered: Annotated[
        bool, typer.Option("--unordered", help="Write answers as they come, not in the order of the documents.")
    ] = False,
    strict: _options.Strict = False,
    deadline: _options.Deadline = None,
    budget: _options.Budgeted = None,
) -> None:
    """Ask about every document of a file; run again after Ctrl-C or a failure, it asks only for what is missing."""
    read = _Documents(documents)
    journal = answers.with_name(f"{answers.name}.journal")
    if answers.exists() and answers.stat().st_size and not journal.exists():
        message = f"{answers}: it is there, and no run of this command has written it: give another name, or move it"
        raise ConfigurationError(message)
    if answers.exists() and not (answers.is_file() and os.access(answers, os.W_OK)):
        message = f"{answers}: it cannot be written: give the path of a file"
        raise ConfigurationError(message)
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
    options: dict[str, Any] = {"concurrency": concurrency, "ordered": not unordered, "journal": journal}
    try:
        failed = asyncio.run(_written(asked, read, answers, response_format(schema), options))
    except KeyboardInterrupt:
        typer.echo(f"Interrupted. The journal is {journal}: the same command again asks only for the rest.", err=True)
        raise
    except OSError as error:
        message = (
            f"{answers} or its journal cannot be written: {error.strerror}. "
            "When it can, the same command asks only for the rest"
        )
        raise EnsembleError(message) from error
    if failed:
        typer.echo(f"{failed} failed: {answers} says why. The same command again asks for them, only.", err=True)
        raise typer.Exit(1)


async def _written(asked: Asked, read: "_Documents", answers: Path, type_: Any, options: dict[str, Any]) -> int:
    """Write a line for every document; returns how many failed."""
    failed = 0
    async with asked.ensemble() as ensemble:
        items = ensemble.map(read, type_, progress=True, **options)
        async with contextlib.aclosing(items):
            # Only when the first is there: a run that is refused must leave the file as it is.
            first = await anext(items, None)
            # A line is there when it is written. Half a character in an id is written as JSON's escape for it.
            form: Any = {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n", "buffering": 1}
            with answers.open("w", **form) as file:
                if first is None:
                    return 0
                file.write(_line(first))
                failed += first.error is not None
                async for item in items:
                    file.write(_line(item))
                    failed += item.error is not None
    return failed


def _line(item: "Item[Any]") -> str:
    told: dict[str, Any] = {"id": item.id, "output": None, "status": "failed", "error": None}
    if item.result is None:
        told["error"] = {"kind": type(item.error).__name__, "message": str(item.error)}
    else:
        told |= {"output": item.result.format.data(item.result.output), "status": item.result.status}
    return json.dumps(told, ensure_ascii=False) + "\n"


class _Documents:
    """The lines of a file as data, read anew each time; all of them are checked before anybody is asked."""

    def __init__(self, path: Path) -> None:
        """Count the documents.

        Raises:
            ConfigurationError: the file cannot be read, is empty, or a line is no JSON.
        """
        self._path = path
        if path.exists() and not path.is_file():
            message = f"{path}: it is no file that can be read twice, first to check it: write the documents to a file"
            raise ConfigurationError(message)
        self._count = sum(1 for _ in self)
        if not self._count:
            message = f"{path}: there is no document in it"
            raise ConfigurationError(message)

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __iter__(self) -> Iterator[Any]:
        """Read them in turn."""
        number = 0
        try:
            with self._path.open(encoding="utf-8-sig") as file:
                for number, line in enumerate(file, 1):  # noqa: B007 - where it went wrong
                    if line.strip():
                        yield json.loads(line)
        except OSError as error:
            message = f"{self._path}: it cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            message = f"{self._path}: line {number + 1} is not in UTF-8"
        except ValueError as error:
            message = f"{self._path}: line {number} is no JSON: {error}"
        else:
            return
        raise ConfigurationError(message)
