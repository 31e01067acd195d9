"""The options that several commands have; a command's own stand beside it."""

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

_SCHEMA: Final = typer.Option(
    "--schema",
    "-s",
    metavar="TYPE",
    help="What the answer must be: module:Model, found from the current folder, too, or a JSON Schema file (*.json).",
)
Schema: TypeAlias = Annotated[str, _SCHEMA]
MaybeSchema: TypeAlias = Annotated[str | None, _SCHEMA]
Config: TypeAlias = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="A TOML or YAML file with ensembles.")
]
Name: TypeAlias = Annotated[
    str | None, typer.Option("--ensemble", "-e", metavar="NAME", help="Which ensemble of the file, if it has several.")
]
Models: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="A LiteLLM model string; give it again for each model, the most trusted first. With a file, these are "
        "asked instead of its processors.",
    ),
]
Local: TypeAlias = Annotated[
    int,
    typer.Option(
        "--local",
        metavar="N",
        min=0,
        show_default=False,
        help="Ask N samples of SmolLM2 on this computer, behind the models of --model if there are any. Without a key.",
    ),
]
Judge: TypeAlias = Annotated[
    str | None,
    typer.Option("--judge", "-j", metavar="MODEL", help="The model that is asked about what has no majority."),
]
Strict: TypeAlias = Annotated[
    bool, typer.Option("--strict", help="What is degraded has failed: undecided, a processor failed, a repair, ...")
]
Deadline: TypeAlias = Annotated[
    float | None, typer.Option("--deadline", metavar="SECONDS", help="For the whole answer to one document.")
]
Budgeted: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="LIMIT",
        help="What all requests together may spend: usd=1.50, tokens=100000 or calls=100; may be given again. "
        "unknown_price=allow counts a model without a known price as free.",
    ),
]
