"""Results for people: a table of who said what, on a terminal and in a notebook."""

from __future__ import annotations

import html as escaping
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from ensemble_parse._models import Result

_WIDEST: Final = 60


def summary(result: Result[Any]) -> str:
    """One line on how the decision came about and what it cost."""
    usage, cost = result.usage, result.cost
    dollars = "free" if cost.total == 0 else f"${cost.known:.6f}" if cost.total else f"at least ${cost.known:.6f}"
    by = f" by {result.decision.by}" if result.decision.by else ""
    tokens = f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
    requests = "1 request" if usage.requests == 1 else f"{usage.requests} requests"
    return f"{result.decision.method}{by}; {requests}, {tokens}, {dollars}, {result.seconds:.2f} s"


def table(result: Result[Any]) -> Table:
    """A row for every path: the value, the share that supports it, and what each candidate said."""
    from rich.table import Table
    from rich.text import Text

    view = Table(title=f"{result.name}: {result.status}", caption="\n".join(_caption(result)), caption_justify="left")
    for head in ("path", "decided", "agreement", *(candidate.name for candidate in result.candidates)):
        view.add_column(Text(head), overflow="fold")
    for path, value, share, cells in _rows(result):
        said = [Text(text, style="" if agrees else "yellow") for text, agrees in cells]
        view.add_row(Text(path), Text(value, style="bold"), share, *said)
    return view


def html(result: Result[Any]) -> str:
    """The same table as HTML."""
    names = [candidate.name for candidate in result.candidates]
    head = "".join(f"<th>{escaping.escape(each)}</th>" for each in ("path", "decided", "agreement", *names))
    body = "".join(
        f"<tr><td>{escaping.escape(path)}</td><td><b>{escaping.escape(value)}</b></td><td>{share}</td>"
        + "".join(f"<td>{escaping.escape(text)}</td>" for text, _ in cells)
        + "</tr>"
        for path, value, share, cells in _rows(result)
    )
    notes = "<br>".join(escaping.escape(line) for line in (f"{result.name}: {result.status}", *_caption(result)))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{notes}</p>"


def _caption(result: Result[Any]) -> list[str]:
    return [summary(result), *(f"{reason.kind}: {reason.detail}" for reason in result.reasons)]


def _rows(result: Result[Any]) -> Iterator[tuple[str, str, str, list[tuple[str, bool]]]]:
    for path, verdict in result.decision.verdicts.items():
        others = {each.name: "(missing)" if each.missing else _short(each.value) for each in verdict.dissenters}
        value = _short(verdict.value)
        cells = [(others.get(each.name, value), each.name not in others) for each in result.candidates]
        yield path or "answer", value, f"{verdict.agreement:.0%}", cells


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
