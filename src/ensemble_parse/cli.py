"""The command line: ``ensemble-parse demo``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from ensemble_parse._errors import EnsembleError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 done, 1 it failed, 2 it was called wrongly, 130 interrupted.
    """
    parser = argparse.ArgumentParser(prog="ensemble-parse", description="Several models, one typed answer.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="run an ensemble over short documents whose true values are known")
    demo.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="LiteLLM model strings instead of the local models, such as openai/gpt-5-mini or ollama_chat/qwen3; "
        "keys come from the environment",
    )
    demo.add_argument("--gemma", action="store_true", help="add Gemma 3 270M to the local models and accept its terms")
    demo.add_argument(
        "--documents", type=_count, default=3, metavar="N", help="documents of each kind (1 to 12; default 3)"
    )
    options = parser.parse_args(arguments)
    try:
        return _demo(options)
    except EnsembleError as error:
        print(f"ensemble-parse: {error}", file=sys.stderr)  # noqa: T201 - a command line
        return 1
    except KeyboardInterrupt:
        return 130


def _demo(options: argparse.Namespace) -> int:
    from rich.console import Console

    from ensemble_parse.demo import demo

    score = asyncio.run(demo(Console(), models=options.models, gemma=options.gemma, documents=options.documents))
    return 0 if score.requests else 1


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 12:  # noqa: PLR2004
        message = "give 1 to 12"
        raise argparse.ArgumentTypeError(message)
    return number
