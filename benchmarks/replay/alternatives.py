"""Other defaults than the library's, measured on the same candidates: the evidence for those that it has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidfuzz import fuzz

from benchmarks.replay import report
from benchmarks.replay.intervals import Bootstrap
from benchmarks.replay.methods import Ours, log_odds
from benchmarks.replay.runs import OURS, Decisions, accuracy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


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


def equal_by(key: Callable[[str], str]) -> Callable[[Sequence[Any], Sequence[float]], Any]:
    """The commonest text, where texts with the same key are equal; ties fall to trust."""

    def choose(values: Sequence[Any], weights: Sequence[float]) -> Any:
        keys = [value if value is None else key(folded(value)) for value in values]
        support: Counter[str | None] = Counter()
        for each, weight in zip(keys, weights, strict=True):
            support[each] += weight  # type: ignore[assignment]
        best = max(keys, key=lambda each: round(support[each], 9))
        spellings = Counter(value for value, each in zip(values, keys, strict=True) if each == best)
        return spellings.most_common(1)[0][0]

    return choose


def unquoted(text: str) -> str:
    """A text without the pair of quotation marks around it."""
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`" else text


def without_blanks(text: str) -> str:
    """A text without its blanks."""
    return text.replace(" ", "")


def unstopped(text: str) -> str:
    """A text without its final full stop."""
    return text.removesuffix(".")


def majority_or_trust(values: Sequence[Any], weights: Sequence[float]) -> Any:
    """The value that more than half of the weight is behind; else the most trusted candidate's."""
    keys = [folded(value) if isinstance(value, str) else repr(value) for value in values]
    for key in dict.fromkeys(keys):
        if 2 * sum(weight for each, weight in zip(keys, weights, strict=True) if each == key) > sum(weights):
            return values[keys.index(key)]
    return values[0]


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
        Alternative("quotes around it do not count", "when two texts are equal", {"text": Rule(equal_by(unquoted))}),
        Alternative("blanks do not count", "when two texts are equal", {"text": Rule(equal_by(without_blanks))}),
        Alternative(
            "a final full stop does not count", "when two texts are equal", {"text": Rule(equal_by(unstopped))}
        ),
        Alternative("ties to the most central text", "ties", {"text": Rule(central)}),
        Alternative(
            "no plurality, only a majority beats trust",
            "ties",
            dict.fromkeys(("text", "number", "exact"), Rule(majority_or_trust)),
        ),
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
    found: dict[str, Any] = {OURS: Ours(consensus)}
    weighted = set()
    for each in all_of():
        if not each.sets or name in each.sets:
            label = f"{each.question}: {each.name}"
            found[label] = Ours(consensus, each.rules, each.weigh)
            if each.weigh is not None:
                weighted.add(label)
    return Decisions(found, frozenset(weighted))


def document(results: report.Results) -> Iterator[str]:
    """For each set, what each alternative would change; those that change nothing are left out."""
    bodies: dict[str, list[list[str]]] = {}
    for recording, table in results:
        metric = recording.headline
        body = bodies.setdefault(f"{recording.name} ({metric})", [])
        bootstrap = Bootstrap(table)
        base = 100 * float(accuracy(table.tallies[OURS], table.items, metric).mean())
        for name in table.tallies:
            if ": " not in name:
                continue
            gain = bootstrap.gain(name, metric, OURS)
            if any((gain.mean, gain.low, gain.high)):
                pool = f"{table.pool.name}, {table.pool.size}"
                body.append([name, pool, f"{base:.2f}", f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]"])
    for name, body in bodies.items():
        yield f"### {name}\n"
        yield from report.rows(["instead of the default", "panel, size", "default", "difference"], sorted(body))
