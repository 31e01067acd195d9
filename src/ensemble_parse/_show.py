"""Results for people: a table of who said what, on a terminal and in a notebook."""

from __future__ import annotations

import html as escaping
import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from ensemble_parse._models import Decision, Reason, Result

_WIDEST: Final = 60
# What a terminal obeys instead of showing it, what turns the direction of reading, and what cannot be printed at all.
_OBEYED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT_LIST: Final = 24
_LONG_PATH: Final = 20
_OWN: Final = 4


def summary(result: Result[Any]) -> str:
    """One line on how the decision came about and what it cost."""
    usage, cost = result.usage, result.cost
    least = f"at least ${cost.known:.6f}" if cost.known else "price unknown"
    dollars = "free" if cost.total == 0 else f"${cost.total:.6f}" if cost.total else least
    tokens = f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
    requests = "1 request" if usage.requests == 1 else f"{usage.requests} requests"
    cancelled = sum(attempt.error == "Cancelled" for attempt in result.attempts)
    requests += f" ({cancelled} cancelled)" if cancelled else ""
    return f"{_method(result.decision)}; {requests}, {tokens}, {dollars}, {result.seconds:.2f} s"


def harmless(text: str) -> str:
    """Spell out the characters that do something else than stand there."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def table(result: Result[Any]) -> Table:
    """A row for every path: the value, its agreement, how it was decided, and what each candidate said."""
    return _table(f"{result.name}: {result.status}", result.decision, _caption(result))


def html(result: Result[Any]) -> str:
    """The same table as HTML."""
    return _html(f"{result.name}: {result.status}", result.decision, _caption(result))


def decision_table(decision: Decision[Any]) -> Table:
    """The table of a decision by itself."""
    return _table(_method(decision), decision, _notes(decision.reasons))


def decision_html(decision: Decision[Any]) -> str:
    """The same table as HTML."""
    return _html(_method(decision), decision, _notes(decision.reasons))


def _table(title: str, decision: Decision[Any], caption: list[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    def shown(text: str, style: str = "") -> Text:
        return Text(harmless(text), style=style)

    view = Table(title=shown(title), caption=shown("\n".join(caption)), caption_justify="left")
    # A path that is broken over lines is hard to read, and a long one leaves no room for the rest.
    whole = {"agree", "how"} | ({"path"} if max(map(len, decision.verdicts), default=0) <= _LONG_PATH else set[str]())
    for at, head in enumerate(("path", "decided", "agree", "how", *decision.names)):
        view.add_column(shown(head), overflow="fold", no_wrap=at < _OWN and head in whole)
    for path, value, share, how, cells in _rows(decision):
        said = [shown(text, "" if agrees else "yellow") for text, agrees in cells]
        doubt = "yellow" if path in decision.review else ""
        view.add_row(shown(path or "answer"), shown(value, "bold"), share, shown(how, doubt), *said)
    return view


def _html(title: str, decision: Decision[Any], caption: list[str]) -> str:
    def escape(text: str) -> str:
        return escaping.escape(harmless(text))

    head = "".join(f"<th>{escape(each)}</th>" for each in ("path", "decided", "agree", "how", *decision.names))
    body = "".join(
        f"<tr><td>{escape(path or 'answer')}</td><td><b>{escape(value)}</b></td><td>{share}</td><td>{escape(how)}</td>"
        + "".join(
            f"<td>{escape(text)}</td>" if agrees else f"<td><mark>{escape(text)}</mark></td>" for text, agrees in cells
        )
        + "</tr>"
        for path, value, share, how, cells in _rows(decision)
    )
    notes = "<br>".join(escape(line) for line in (title, *caption))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{notes}</p>"


def _caption(result: Result[Any]) -> list[str]:
    return [summary(result), *_notes(result.reasons)]


def _notes(reasons: Iterable[Reason]) -> list[str]:
    return [f"{reason.kind}: {reason.detail}" for reason in reasons]


def _method(decision: Decision[Any]) -> str:
    return f"{decision.method} by {decision.by}" if decision.by else decision.method


def _rows(decision: Decision[Any]) -> Iterator[tuple[str, str, str, str, list[tuple[str, bool]]]]:
    # What a list holds stands in the rows below it.
    opened = {path[:at] for path in decision.verdicts for at, sign in enumerate(path) if sign == "["}
    for path, verdict in decision.verdicts.items():
        short = _count if path in opened else _short
        others = {each.name: "(missing)" if each.missing else short(each.value) for each in verdict.dissenters}
        value = "(missing)" if verdict.missing else short(verdict.value)
        others |= {name: short(said) for name, said in verdict.said.items()}
        against = {each.name for each in verdict.dissenters}
        cells = [(others.get(name, value), name not in against) for name in decision.names]
        yield path, value, f"{verdict.agreement:.0%}", verdict.how, cells


def _count(value: Any) -> str:
    text = _short(value)
    if not isinstance(value, list) or len(text) <= _SHORT_LIST:
        return text
    number = len(cast("list[Any]", value))
    return "1 item" if number == 1 else f"{number} items"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
