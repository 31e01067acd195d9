"""What the demonstration prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ensemble_parse._show import summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from ensemble_parse._models import Result
    from ensemble_parse._processor import Processor
    from ensemble_parse.demo import Score


def opening(console: Console, *, models: Sequence[str], terms: str | None) -> None:
    """Say what is about to run."""
    who = ", ".join(models) if models else "small language models on this computer; no key, no network"
    console.rule("ensemble-parse")
    console.print(
        f"Asked: {who}. Each member reads the same document with the same examples, in an order of its own, and "
        "answers with an object of the same type. Each field is then decided by majority."
    )
    if terms:
        console.print(Text(f"Terms of Gemma, which --gemma accepts: {terms}", style="yellow"))


def ready(console: Console, members: Sequence[Processor], seconds: float) -> None:
    """Say who answers."""
    console.print(f"Members: {', '.join(each.name or '' for each in members)} (ready in {seconds:.1f} s)\n")


def document(console: Console, task: str, text: str, result: Result[Any], truth: Mapping[str, Any]) -> None:
    """Show one document, what each member said of it, and what was decided."""
    console.print(Panel(Text(text), title=task, title_align="left"))
    table = Table()
    for head in ("field", "truth", *(each.name for each in result.candidates), "decided", "share", ""):
        table.add_column(head, overflow="fold")
    for path, value in truth.items():
        verdict = result.decision.verdicts[path]
        others = {each.name: each.value for each in verdict.dissenters}
        said = [_said(others.get(each.name, verdict.value), value) for each in result.candidates]
        right = verdict.value == value
        mark = Text("right" if right else "wrong", style="green" if right else "red")
        table.add_row(path, str(value), *said, Text(str(verdict.value), style="bold"), f"{verdict.agreement:.0%}", mark)
    console.print(table)
    for error in result.errors:
        console.print(Text(f"no answer: {error}", style="yellow"))
    console.print(Text(f"{summary(result)}\n", style="dim"))


def failure(console: Console, task: str, text: str, error: Exception) -> None:
    """Show a document that no member could answer."""
    console.print(Panel(Text(text), title=task, title_align="left"))
    console.print(Text(f"{error}\n", style="red"))


def closing(console: Console, score: Score, *, local: bool) -> None:
    """Show how much was right, alone and together, and what the share of votes is worth."""
    alone = [hits / score.fields for hits in score.alone.values()]
    table = Table(title=f"Fields right, of {score.fields}")
    for head in ("who", "right", "share"):
        table.add_column(head)
    for name, hits in score.alone.items():
        table.add_row(name, str(hits), f"{hits / score.fields:.0%}")
    table.add_row("mean member", f"{sum(score.alone.values()) / len(alone):.1f}", f"{sum(alone) / len(alone):.0%}")
    table.add_row("ensemble", str(score.together), f"{score.together / score.fields:.0%}", style="bold")
    console.print(table)
    shares = Table(title="How right a field is, by the share of members behind it")
    for head in ("share", "fields", "right"):
        shares.add_column(head)
    for share, (hits, total) in sorted(score.by_share.items(), reverse=True):
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
            "beat one that answers greedily. What does show: fields on which the members agree are right far more "
            "often than those on which they do not. Use --models for larger ones."
        )


def _said(value: object, truth: object) -> Text:
    return Text(str(value), style="" if value == truth else "red")
