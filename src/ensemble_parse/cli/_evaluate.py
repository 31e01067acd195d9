"""``ensemble-parse evaluate``: what was asked, beside what is right; nobody is asked."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ensemble_parse._errors import ConfigurationError
from ensemble_parse.cli import _options
from ensemble_parse.cli._schema import response_format


def evaluate(
    *,
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="What a run wrote, such as OUT.journal of batch.")],
    truths: Annotated[
        Path, typer.Argument(metavar="TRUTHS", help='A line of JSON for each answer known: {"id": ..., "truth": ...}.')
    ],
    schema: _options.Schema,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compare the ensemble with each of its members, and with other decisions over the same answers, offline."""
    from pydantic import ValidationError
    from rich.console import Console

    from ensemble_parse.batch import read_journal
    from ensemble_parse.evaluate import evaluate as report_on
    from ensemble_parse.evaluate import read_truths

    type_ = response_format(schema)
    known = read_truths(truths)
    if not journal.is_file():
        message = f"{journal}: there is no such journal"
        raise ConfigurationError(message)
    try:
        report = report_on(read_journal(journal, type_), known)
    except ValidationError:
        # Without the cause: it holds answers.
        message = f"{journal}: an answer in it is none of --schema {schema}; give the type that was asked for"
        raise ConfigurationError(message) from None
    if as_json:
        typer.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        Console().print(report)
