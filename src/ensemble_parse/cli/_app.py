"""The commands, put together."""

from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import get_command

from ensemble_parse.cli._batch import batch
from ensemble_parse.cli._check import check
from ensemble_parse.cli._demo import SUMMARY
from ensemble_parse.cli._demo import run as demonstrated
from ensemble_parse.cli._evaluate import evaluate
from ensemble_parse.cli._parse import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

# Without markup, since rich's takes longer to import than all else.
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)
# Short ones, since a list of commands cuts off what is longer than a line has room for.
app.command(short_help="Ask about one text; JSON on standard output.")(parse)
app.command(short_help="Ask about every document of a file.")(batch)
app.command(short_help="Find out whether the ensemble pays.")(evaluate)
app.command(short_help="Find what is missing before money is spent.")(check)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        from importlib.metadata import version as installed

        typer.echo(f"ensemble-parse {installed('ensemble-parse')}")
        raise typer.Exit


@app.callback()
def everything(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
) -> None:
    """Several models, one typed answer; and for every field of it who said what."""


# Its options are argparse's: it also runs without typer.
@app.command(
    short_help="See small documents read, without a key.",
    help=f"{SUMMARY} `ensemble-parse demo --help` shows its options.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def demo(context: typer.Context) -> None:
    """Hand on what is given."""
    raise typer.Exit(demonstrated(context.args))


def run(arguments: "Sequence[str]") -> None:
    """Run a command; it ends with ``SystemExit``, or with the error of ours that ended it."""
    get_command(app)(args=arguments, prog_name="ensemble-parse")
