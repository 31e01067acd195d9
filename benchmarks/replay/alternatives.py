"""Other defaults than the library's, measured on the same candidates: the evidence for those that it has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidfuzz import fuzz

from benchmarks.replay import report
from benchmarks.replay.intervals import Bootstrap
from benchmarks.replay.methods import Ours, log_odds
from benchmarks.replay.runs import OURS, accuracy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.replay.runs import Decisions, Table
    from benchmarks.replay.sets import Recording


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to decide a field.

    Attributes:
        name: what it is.
        question: the default that it would change.
        rules: as in :class:`Ours`.
        weigh: as in :class:`Ours`.
        sets: the sets that it is about; all where it says none.
    """

    name: str
    question: str
    rules: Mapping[str, Any] = field(default_factory=dict)
    weigh: Callable[[float], float] | None = None
    sets: tuple[str, ...] = ()


def folded(value: object) -> str:
    """What makes two texts equal."""
    return " ".join(str(value).casefold().split())


def central(values: Sequence[Any], _: Sequence[float]) -> Any:
    """The commonest text; of several, the one that is most like all the others."""
    counts = Counter(folded(value) for value in values)
    most = max(counts.values())
    tied = [value for value in values if counts[folded(value)] == most]
    if len({folded(value) for value in tied}) == 1:
        return tied[0]
    return max(tied, key=lambda value: round(sum(fuzz.ratio(folded(value), folded(other)) for other in values), 6))


def without_none(values: Sequence[Any], _: Sequence[float]) -> Any:
    """The commonest value; ``None`` only where there is no other."""
    there = [value for value in values if value is not None]
    counts = Counter(folded(value) for value in there)
    return max(there, key=lambda value: counts[folded(value)]) if there else None


def all_of() -> list[Alternative]:
    """What is measured."""
    from ensemble_parse import AllOf, AnyOf, Exact, Items, Rule, Text, Together, Tolerance, Whole

    amounts = ("finrag-single",)
    series = ("finrag-series",)
    return [
        Alternative("as it is written", "when two texts are equal", {"text": Exact()}),
        Alternative("case counts", "when two texts are equal", {"text": Text(case=True)}),
        Alternative("punctuation does not count", "when two texts are equal", {"text": Text(punctuation=False)}),
        Alternative("nine tenths alike", "when two texts are equal", {"text": Text(similar=0.9)}),
        Alternative("ties to the most central text", "ties", {"text": Rule(central)}),
        Alternative("None is no vote", "None", {"text": Rule(without_none), "number": Rule(without_none)}),
        Alternative("within a thousandth", "when two numbers are equal", {"number": Tolerance(rel=0.001)}),
        Alternative("within a hundredth", "when two numbers are equal", {"number": Tolerance(rel=0.01)}),
        Alternative("order counts", "lists", {"list": Items(ordered=True)}),
        Alternative("any that one has", "lists", {"list": AnyOf(), "calls": AnyOf()}),
        Alternative("those that all have", "lists", {"list": AllOf(), "calls": AllOf()}),
        Alternative("the list as one", "lists", {"list": Whole(), "calls": Whole()}),
        Alternative("value and unit together", "records", {"=": Together("value", "unit")}, sets=amounts),
        Alternative("the record as one", "records", {"=": Whole()}, sets=(*amounts, "sob-image", "longlist", "bfcl")),
        Alternative("by year and duration", "records", {"=": Items(key=("year", "duration"))}, sets=series),
        Alternative("value and unit together", "records", {"=[]": Together("value", "unit")}, sets=series),
        Alternative(
            "by key, value and unit together",
            "records",
            {"=": Items(key=("year", "duration")), "=[]": Together("value", "unit")},
            sets=series,
        ),
        Alternative("log-odds of the accuracy", "weights", weigh=log_odds),
    ]


def methods(consensus: Callable[..., Any], name: str) -> Decisions:
    """The library as it is, and every alternative that is about a set."""
    from benchmarks.replay.runs import Decisions

    found: dict[str, Any] = {OURS: Ours(consensus)}
    weighted = set()
    for each in all_of():
        if not each.sets or name in each.sets:
            label = f"{each.question}: {each.name}"
            found[label] = Ours(consensus, each.rules, each.weigh)
            if each.weigh is not None:
                weighted.add(label)
    return Decisions(found, frozenset(weighted))


def document(recordings: Sequence[Recording], tables: Sequence[Sequence[Table]]) -> Iterator[str]:
    """For each set, what each alternative would change; those that change nothing are left out."""
    for recording, of in zip(recordings, tables, strict=True):
        metric = recording.headline
        body = []
        for table in of:
            bootstrap = Bootstrap(table)
            base = 100 * float(accuracy(table.tallies[OURS], table.items, metric).mean())
            for name in table.tallies:
                if ": " not in name:
                    continue
                gain = bootstrap.gain(name, metric, OURS)
                if any((gain.mean, gain.low, gain.high)):
                    pool = f"{table.pool.name}, {table.pool.size}"
                    body.append([name, pool, f"{base:.2f}", f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]"])
        yield f"### {recording.name} ({metric})\n"
        yield from report.rows(["instead of the default", "panel, size", "default", "difference"], sorted(body))
