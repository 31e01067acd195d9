"""A report for people: tables on a terminal and in a notebook."""

from __future__ import annotations

import html as escaping
from typing import TYPE_CHECKING, Final, TypeAlias

from ensemble_parse._evaluate._findings import points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Group

    from ensemble_parse._evaluate._report import Interval, Report

    Shown: TypeAlias = "tuple[str, tuple[str, ...], list[tuple[str, ...]]]"

_MOST: Final = 20  # fields; the rest is in the data


def rich(report: Report) -> Group:
    """Show it on a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown: list[Table | Text] = [Text(report.verdict)]
    for title, heads, rows in _tables(report):
        view = Table(title=Text(title), title_justify="left")
        for at, head in enumerate(heads):
            view.add_column(Text(head), justify="right" if at else "left", overflow="fold")
        for row in rows:
            view.add_row(*map(Text, row))
        shown.append(view)
    return Group(*shown, *map(Text, report.notes))


def html(report: Report) -> str:
    """The same as HTML; everything in it is escaped."""
    escape = escaping.escape
    parts = [f"<p>{escape(report.verdict)}</p>"]
    for title, heads, rows in _tables(report):
        head = "".join(f"<th>{escape(each)}</th>" for each in heads)
        body = "".join(f"<tr>{''.join(f'<td>{escape(each)}</td>' for each in row)}</tr>" for row in rows)
        parts.append(
            f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
    return "".join(parts) + "".join(f"<p>{escape(note)}</p>" for note in report.notes)


def _tables(report: Report) -> Iterator[Shown]:
    yield (
        f"{report.items:,} labelled inputs, in per cent [95 %]",
        ("", "asked", "whole answers", "fields", "over best member"),
        [
            (
                each.name,
                str(each.items),
                _share(each.whole),
                _share(each.fields),
                _two_lines(points(each.gain)) if each.gain and each.kind != "oracle" else "",
            )
            for each in report.scores
        ],
    )
    yield (
        "what an input takes",
        ("", "cost", "tokens", "seconds"),
        [
            (
                each.name,
                "?" if each.cost is None else f"${each.cost:.6f}",
                f"{each.tokens:,.0f}",
                f"{each.seconds:.2f}",
            )
            for each in report.scores
            if each.kind != "oracle"
        ],
    )
    wrong = [each for each in report.fields if each.wrong]
    if wrong:
        more = f", {_MOST} of {len(wrong)}" if len(wrong) > _MOST else ""
        yield (
            f"fields that are often wrong{more}",
            ("path", "wrong", "of", "ensemble", "best member", "anybody"),
            [
                (
                    each.path or "answer",
                    str(each.wrong),
                    str(each.count),
                    f"{each.ensemble:.1%}",
                    f"{each.best:.1%}",
                    f"{each.oracle:.1%}",
                )
                for each in wrong[:_MOST]
            ],
        )
    for of, error in report.calibration_error.items():
        yield (
            f"how sure, and how often right: {of}, calibration error {error:.3f}",
            (of, "fields", "on average", "right"),
            [
                (_range(each.low, each.high), str(each.count), f"{each.mean:.2f}", f"{each.right:.1%}")
                for each in report.calibration
                if each.of == of
            ],
        )
    if report.learned:
        yield (
            f"weights: {report.learned.basis}",
            ("processor", "weight"),
            [(name, f"{weight:.2f}") for name, weight in report.learned.weights.items()],
        )


def _share(each: Interval) -> str:
    return _two_lines(f"{100 * each.value:.1f} [{100 * each.low:.1f}, {100 * each.high:.1f}]")


def _two_lines(figure: str) -> str:
    # Beside three intervals in one line a terminal has no room for the name of a model.
    return figure.replace(" [", "\n[")


def _range(low: float, high: float) -> str:
    return f"{low:.1f}" if low == high else f"{low:.1f} to {high:.1f}"
