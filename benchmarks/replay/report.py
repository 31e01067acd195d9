"""The tables, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from benchmarks.replay.intervals import Bootstrap
from benchmarks.replay.runs import BEST, MEAN, ORACLE, OURS, accuracy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.replay.runs import Calibration, Table
    from benchmarks.replay.sets import Recording

Results: TypeAlias = "Sequence[tuple[Recording, Table]]"
"""Every set with each of its tables."""
METRICS = ("field", "whole")
BUCKETS = ((1.0, 1.01), (0.8, 1.0), (0.6, 0.8), (0.5, 0.6), (0.0, 0.5))


def rows(header: Sequence[str], body: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; the first column is text, the rest are figures."""
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" + "---:|" * (len(header) - 1)
    for row in body:
        yield "| " + " | ".join(row) + " |"
    yield ""


def title(recording: Recording, table: Table) -> str:
    """What a table is about."""
    pool = table.pool
    return f"{recording.name}, {pool.size} models, {pool.name} ({len(pool.panels)} panels)"


def metrics(recording: Recording) -> tuple[str, ...]:
    """Both accuracies where there is more than one field."""
    first = recording.items[0]
    return (
        METRICS if len(first.score(None).right) > 1 or recording.name in {"sob-image", "finrag-series"} else ("whole",)
    )


def one(recording: Recording, table: Table) -> Iterator[str]:
    """All methods for one kind of panel."""
    bootstrap = Bootstrap(table)
    shown = metrics(recording)
    yield f"### {title(recording, table)}"
    yield ""
    header = ["method"]
    for metric in shown:
        header += [f"{metric} %", "over best member [95 %]", "worst panel"]
    body = []
    for method, tally in table.tallies.items():
        row = [f"**{method}**" if method == OURS else method]
        for metric in shown:
            row.append(f"{100 * float(accuracy(tally, table.items, metric).mean()):.2f}")
            if method == BEST:
                row += ["", ""]
            else:
                gain = bootstrap.gain(method, metric)
                row += [f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]", f"{gain.worst:+.1f}"]
        invalid = 0 if method in {MEAN, BEST, ORACLE} else tally.invalid
        row.append("" if method in {MEAN, BEST, ORACLE} else f"{100 * (1 - invalid / max(1, table.decided)):.2f}")
        body.append(row)
    yield from rows([*header, "valid %"], body)
    if OURS in table.tallies:
        yield (
            f"{table.decided:,} decisions over {len(table.groups):,} independent groups; "
            f"{100 * table.synthetic / max(1, table.decided):.1f} % of our answers were given by no single model."
        )
        yield ""


def headline(results: Results) -> Iterator[str]:
    """One row for each set and size: the methods side by side, by the set's own headline."""
    methods = list(results[0][1].tallies)
    body = []
    for recording, table in results:
        metric = recording.headline
        values = [100 * float(accuracy(table.tallies[name], table.items, metric).mean()) for name in methods]
        row = [f"{recording.name} ({metric}), {table.pool.name}, {table.pool.size}"]
        row += [
            f"**{value:.1f}**" if name == OURS else f"{value:.1f}" for name, value in zip(methods, values, strict=True)
        ]
        if OURS in methods:
            gain = Bootstrap(table).gain(OURS, metric)
            row.append(f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]")
        body.append(row)
    ours = ["ours over best member"] if OURS in methods else []
    yield from rows(["set (headline), panel, size", *methods, *ours], body)


def against(results: Results, other: str) -> Iterator[str]:
    """Ours against another method, wherever both ran."""
    body = []
    for recording, table in results:
        if OURS not in table.tallies or other not in table.tallies:
            continue
        bootstrap = Bootstrap(table)
        row = [f"{recording.name}, {table.pool.name}, {table.pool.size}"]
        for metric in METRICS:
            gain = bootstrap.gain(OURS, metric, other)
            row.append(f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]")
        body.append(row)
    yield from rows(["set, panel, size", f"ours over {other}, field", "whole"], body)


def parts(results: Results) -> Iterator[str]:
    """Sets that have parts, part by part: whole answers right."""
    body = []
    for _, table in results:
        for part in sorted(set(table.parts)) if len(set(table.parts)) > 1 else ():
            inside = np.array([each == part for each in table.parts])
            row = [f"{part}, {table.pool.name}, {table.pool.size}"]
            for tally in table.tallies.values():
                right = tally.whole[:, inside].sum(axis=1) / table.items[:, inside].sum(axis=1)
                row.append(f"{100 * float(right.mean()):.1f}")
            body.append(row)
    yield from rows(["part, panel, size", *results[0][1].tallies], body)


def share(calibration: Calibration, low: float, high: float) -> tuple[int, int]:
    """How often agreement was within bounds, and how often right."""
    inside = [entry for agreement, entry in calibration.counts.items() if low <= agreement < high]
    return sum(entry[0] for entry in inside), sum(entry[1] for entry in inside)


def error(calibration: Calibration) -> float:
    """Expected calibration error over ten bins of equal width."""
    bins: dict[int, list[float]] = {}
    for agreement, (count, right) in calibration.counts.items():
        entry = bins.setdefault(min(9, int(agreement * 10 - 1e-9)), [0.0, 0.0, 0.0])
        entry[0] += count
        entry[1] += right
        entry[2] += agreement * count
    total = sum(entry[0] for entry in bins.values())
    return sum(abs(right - said) for _, right, said in bins.values()) / max(1.0, total)


def calibration(results: Results) -> Iterator[str]:
    """Accuracy by the agreement that was reported."""
    header = ["set, panel, size, of", "all agree", "0.8 to 1", "0.6 to 0.8", "0.5 to 0.6", "below 0.5", "ECE"]
    body = []
    for recording, table in results:
        for name, each in (("fields", table.by_field), ("whole", table.by_whole)):
            total, _ = share(each, 0.0, 2.0)
            if not total or (name == "fields" and metrics(recording) == ("whole",)):
                continue
            row = [f"{recording.name}, {table.pool.name}, {table.pool.size}, {name}"]
            for low, high in BUCKETS:
                count, right = share(each, low, high)
                row.append(f"{right / count:.3f} ({100 * count / total:.0f} %)" if count else "")
            body.append([*row, f"{error(each):.3f}"])
    yield from rows(header, body)


def candidates(recordings: Sequence[Recording]) -> Iterator[str]:
    """What validation left of the outputs."""
    body = []
    for recording in recordings:
        worst = max(recording.invalid.items(), key=lambda entry: entry[1], default=("", 0))
        body.append(
            [
                recording.name, f"{len(recording.items):,}", f"{len({item.group for item in recording.items}):,}",
                f"{recording.outputs:,}", f"{sum(recording.invalid.values()):,}",
                f"{worst[0]} ({worst[1]})" if worst[1] else "",
            ]
        )  # fmt: skip
    yield from rows(["set", "items", "groups", "outputs", "invalid", "most of them"], body)


def closed(results: Results) -> Iterator[str]:
    """How much of the way from the best member to the oracle is gone."""
    body = []
    for recording, table in results:
        best, ours, oracle = (
            100 * float(accuracy(table.tallies[name], table.items, "whole").mean()) for name in (BEST, OURS, ORACLE)
        )
        if oracle > best:
            row = f"{recording.name}, {table.pool.name}, {table.pool.size}"
            body.append(
                [row, f"{best:.1f}", f"{ours:.1f}", f"{oracle:.1f}", f"{100 * (ours - best) / (oracle - best):.0f} %"]
            )
    yield from rows(["set, panel, size (whole answers)", BEST, OURS, ORACLE, "closed"], body)
