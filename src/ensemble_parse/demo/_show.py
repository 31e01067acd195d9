"""What the demonstration prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ensemble_parse._show import harmless, summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from ensemble_parse._models import Candidate, Result
    from ensemble_parse._processor import Processor
    from ensemble_parse.demo import Score


def opening(console: Console, processors: Sequence[Processor], *, models: Sequence[str], terms: str | None) -> None:
    """Say what is about to run."""
    console.rule("ensemble-parse")
    who = ", ".join(models) if models else "small language models on this computer, without a key or a network"
    console.print(
        f"Asked: {who}. Each processor reads the same document with the same examples, in an order of its own, and "
        "answers with an object of the same type. Each field is then voted upon."
    )
    for number, processor in enumerate(processors, 1):
        console.print(_text(f"  #{number} {processor.name}"))
    if terms:
        console.print(_text(f"Terms of Gemma, which --gemma accepts: {terms}", style="yellow"))


def ready(console: Console, seconds: float, *, local: bool) -> None:
    """Say that it begins, and what will take its time."""
    slow = "; the first document of each kind takes longest, since the examples are read once" if local else ""
    console.print(f"Ready in {seconds:.1f} s{slow}.\n")


def document(
    console: Console,
    task: str,
    text: str,
    result: Result[Any],
    truth: Mapping[str, Any],
    processors: Sequence[Processor],
) -> None:
    """Show one document, what each processor said of it, and what was decided."""
    console.print(Panel(_text(text), title=task, title_align="left"))
    # Without lines between the columns, dates and names stay whole on a terminal of 80 characters.
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for head in (
        "field",
        "truth",
        *(f"#{_number(each, processors)}" for each in result.candidates),
        "decided",
        "agree",
    ):
        table.add_column(head, overflow="fold")
    for path, value in truth.items():
        verdict = result.decision.verdicts[path]
        others = {each.name: each.value for each in verdict.dissenters}
        said = [_said(others.get(each.name, verdict.value), value) for each in result.candidates]
        right = verdict.value == value
        decided = _text(verdict.value, style="bold green" if right else "bold red")
        table.add_row(path, str(value), *said, decided, f"{verdict.agreement:.0%}")
    console.print(table)
    for error in result.errors:
        console.print(_text(f"no answer: {error}", style="yellow"))
    console.print(_text(f"{summary(result)}\n", style="dim"))


def failure(console: Console, task: str, text: str, error: Exception) -> None:
    """Show a document that no processor could answer."""
    console.print(Panel(_text(text), title=task, title_align="left"))
    console.print(_text(f"{error}\n", style="red"))


def closing(console: Console, score: Score, *, local: bool) -> None:
    """Show how much was right, alone and together, and what agreement is worth."""
    alone = [hits / score.fields for hits in score.alone.values()]
    table = Table(title=f"Fields right, of {score.fields}")
    for head in ("who", "right", ""):
        table.add_column(head)
    for name, hits in score.alone.items():
        table.add_row(_text(name), str(hits), f"{hits / score.fields:.0%}")
    table.add_row("mean of them", f"{sum(score.alone.values()) / len(alone):.1f}", f"{sum(alone) / len(alone):.0%}")
    table.add_row("ensemble", str(score.together), f"{score.together / score.fields:.0%}", style="bold")
    console.print(table)
    shares = Table(title="Right, by agreement")
    for head in ("agree", "fields", "right"):
        shares.add_column(head)
    for share, (hits, total) in sorted(score.by_agreement.items(), reverse=True):
        shares.add_row(f"{share:.0%}", str(total), f"{hits / total:.0%}")
    console.print(shares)
    console.print(
        f"{score.requests} requests, {score.input_tokens:,} + {score.output_tokens:,} tokens, {score.seconds:.1f} s"
        + (f", ${score.dollars:.4f}" if score.dollars else "")
        + (f"; {score.failed} documents without an answer" if score.failed else "")
    )
    if local:
        console.print(
            "These are very small models: they copy names fairly well, slip on numbers and do not reason. So few "
            "documents prove nothing about accuracy; over more of them, voting among such models has not been shown to "
            "beat one that answers greedily. What does show: fields on which they agree are right far more "
            "often than those on which they do not. Use --models for larger ones."
        )


def _said(value: object, truth: object) -> Text:
    return _text(value, style="" if value == truth else "red")


def _text(value: object, style: str = "") -> Text:
    return Text(harmless(str(value)), style=style)


def _number(candidate: Candidate[Any], processors: Sequence[Processor]) -> int:
    return next(at for at, each in enumerate(processors, 1) if each.name == candidate.processor)
