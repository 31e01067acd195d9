"""The reference of the command line, written from the commands themselves.

python -m tests.command_line --write
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from typer.main import get_command

from ensemble_parse.cli._app import app
from ensemble_parse.cli._demo import parser

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

PAGE: Final = Path(__file__).parents[1] / "docs/reference/command-line.md"

_INTRO: Final = """\
<!-- written by `nox -s reference` from src/ensemble_parse/cli/ -->
# Command line

`parse`, `batch` and `check` take the extra `cli`, which is typer; `demo` runs without it.

<!-- skip: installing is not part of the tests -->
```console
$ pip install ".[cli]"
```

| exit code | means |
|---|---|
| 0 | fine |
| 1 | it ran, and failed: no answer, a document without one, something degraded under `--strict`, a finding of `check` |
| 2 | it was called or configured wrongly; no request was sent |
| 130 | Ctrl-C |

What is wrong is told on standard error. Keys come from the environment, as LiteLLM reads them.
`ensemble-parse --install-completion` sets up completion for your shell.
"""

_MORE: Final = {
    "parse": """\
What a module of yours prints when it is imported goes to standard error, too. If there is no answer, standard output
stays empty.
""",
    "batch": """\
OUT gets a line for every document:

```json
{"id": "2026-001", "output": {"vendor": "ACME", "total": 1240.0}, "status": "complete", "error": null}
```

`status` is `complete`, `degraded` or `failed`; `error` is `null`, or has a `kind` and a `message`. OUT is written anew
by every run, from OUT.journal and from what is asked; the journal also has who said what, and
[`read_journal`](batch.md) reads it. A document is asked about again where it failed, or where its input is another one;
with another schema or ensemble the run is refused. How far it is stands on standard error.
""",
    "evaluate": """\
The report of [`ensemble_parse.evaluate`](evaluate.md). If members are to be compared, ask everybody everywhere:
`decision_maker = { vote = { stop = "all" } }`.
""",
    "check": """\
Each model is shown with the variables that its key may be in, by name and never by value, and with the way in which its
vendor is asked for the type. Without `--ensemble`, all ensembles of a file are checked. `--ping` costs what a tiny
question costs.
""",
}


def page() -> str:
    """Write the page."""
    group: Any = get_command(app)
    parts = [_INTRO, "## `ensemble-parse`\n", *_table(_typer(group))]
    for name, command in group.commands.items():
        usage = [name] if name == "demo" else [name, "[OPTIONS]", *_arguments(command)]
        parts += [f"\n## `ensemble-parse {' '.join(usage)}`\n"]
        parts += [f"{(command.help or '').strip()}\n"] if name != "demo" else [f"{parser().description}\n"]
        parts += [_MORE[name]] if name in _MORE else []
        parts += _table(_argparse(parser()) if name == "demo" else _typer(command))
    return "\n".join(parts) + "\n"


def options(name: str) -> set[str]:
    """What the options of a command are called."""
    group: Any = get_command(app)
    rows = _argparse(parser()) if name == "demo" else _typer(group.commands[name])
    return {word for option, _ in rows for word in option.replace(",", "").split() if word.startswith("-")} | {"--help"}


def _table(rows: Iterator[tuple[str, str]]) -> list[str]:
    return ["| option | does |", "|---|---|", *(f"| `{option}` | {does} |" for option, does in rows)]


def _arguments(command: Any) -> list[str]:
    given = [each for each in command.params if each.param_type_name == "argument"]
    return [each.metavar if each.required else f"[{each.metavar}]" for each in given]


def _typer(command: Any) -> Iterator[tuple[str, str]]:
    for each in command.params:
        if each.param_type_name == "argument":
            yield each.metavar, each.help
        elif each.name not in {"install_completion", "show_completion"}:
            value = "" if each.is_flag else f" {each.metavar}"
            default = f" {each.default} if not given." if type(each.default) is int and each.default else ""
            must = " Required." if each.required else ""
            yield f"{', '.join(sorted(each.opts, key=len))}{value}", f"{each.help}{default}{must}"


def _argparse(from_: ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in from_._actions:
        if action.dest != "help":
            several = " ..." if action.nargs == "+" else ""
            value = f" {action.metavar}{several}" if action.metavar else ""
            yield f"{action.option_strings[-1]}{value}", str(action.help)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8") if "--write" in sys.argv else sys.stdout.write(page())
