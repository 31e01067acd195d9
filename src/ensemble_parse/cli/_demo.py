"""The command ``ensemble-parse demo``; with argparse, so that it runs where typer is not installed."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SUMMARY: Final = "Run an ensemble over short documents whose true values are known."
_MOST: Final = 12


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(prog="ensemble-parse demo", description=SUMMARY)
    made.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="LiteLLM model strings instead of the local models, such as openai/gpt-5-mini or ollama_chat/qwen3; "
        "keys come from the environment",
    )
    made.add_argument("--gemma", action="store_true", help="add Gemma 3 270M to the local models and accept its terms")
    made.add_argument(
        "--documents", type=_count, default=3, metavar="N", help=f"documents of each kind, 1 to {_MOST}; 3 if not given"
    )
    return made


def run(arguments: Sequence[str]) -> int:
    """Run the demonstration; returns the exit code: 1 where nobody answered.

    Raises:
        ConfigurationError: a local model is not installed, or a model string is unknown.
        SystemExit: it was called wrongly, or asked for help.
    """
    options = parser().parse_args(arguments)
    from rich.console import Console

    from ensemble_parse.demo import demo

    score = asyncio.run(demo(Console(), models=options.models, gemma=options.gemma, documents=options.documents))
    return 0 if score.requests else 1


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        message = f"give 1 to {_MOST}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
