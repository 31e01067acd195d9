"""The command line, ``ensemble-parse``: what is wrong is told in a line, and the exit code says how it ended."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Final

from ensemble_parse._errors import ConfigurationError, EnsembleError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED: Final = 130  # what shells say of a program that Ctrl-C has ended: 128 and the signal's number
_TYPER: Final = "ensemble-parse needs typer for this: pip install 'ensemble-parse[cli]'. (`demo` runs without it.)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 fine; 1 it ran, and failed, or is degraded where ``--strict`` is given; 2 it was called or
        configured wrongly, and nothing was sent; 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(given)
    except EnsembleError as error:
        if "--debug" in given:
            raise
        _say(str(error))
        return 2 if isinstance(error, ConfigurationError) else 1
    except OSError as error:
        if "--debug" in given:
            raise
        _give_up_output()
        _say(f"it cannot go on: {error.strerror or error}; --debug shows where")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(given: list[str]) -> int:
    try:
        from ensemble_parse.cli._app import run
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        if given[:1] != ["demo"]:
            raise ConfigurationError(_TYPER) from None
        from ensemble_parse.cli._demo import run as demo

        return _ended(demo, given[1:])
    return _ended(run, given)


def _ended(run: Callable[[list[str]], int | None], given: list[str]) -> int:
    """Run it; what typer and argparse tell by leaving is the exit code, too."""
    with warnings.catch_warnings():
        # LiteLLM makes a coroutine in a thread before it awaits it: Ctrl-C in between leaves it so.
        warnings.filterwarnings("ignore", "coroutine '.*completion' was never awaited", RuntimeWarning)
        try:
            return run(given) or 0
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else 0


def _give_up_output() -> None:
    """Let what is left in the buffer go nowhere: else Python fails again as it ends, and tells of it."""
    with contextlib.suppress(OSError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _say(message: str) -> None:
    with contextlib.suppress(OSError, AttributeError):  # there may be no standard error, or nobody who takes it
        sys.stderr.write(f"ensemble-parse: {message}\n")
