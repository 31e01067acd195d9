"""The decision methods: from the candidates of one item, the most trusted first, to one answer."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from rapidfuzz import fuzz

from benchmarks.replay.nouns import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.replay.shapes import Shape


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method made of the candidates.

    Attributes:
        answer: the answer; ``None`` where what it made is not valid.
        agreement: path of a leaf -> share of the candidates behind it, where the method says so.
    """

    answer: Said | None
    agreement: Mapping[str, float] = field(default_factory=dict)


Method: TypeAlias = "Callable[[Shape, Sequence[Said], Sequence[float]], Outcome]"
"""From a type, candidates, the most trusted first, and the accuracy of each on other folds, to one answer."""


def first(_: Shape, said: Sequence[Said], __: Sequence[float]) -> Outcome:
    """Failover: the first valid answer in order of trust."""
    return Outcome(said[0])


def plurality(_: Shape, said: Sequence[Said], __: Sequence[float]) -> Outcome:
    """The whole answer that most give; ties fall to trust."""
    counts = Counter(each.key for each in said)
    return Outcome(max(said, key=lambda each: counts[each.key]))


def similarity(one: Any, other: Any) -> float:
    """How alike two values are: records field by field, lists item by item, texts by their letters."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = one.keys() | other.keys()
        return (
            sum(similarity(one[n], other[n]) for n in names if n in one and n in other) / len(names) if names else 1.0
        )
    if isinstance(one, list) and isinstance(other, list):
        if not one and not other:
            return 1.0
        return sum(similarity(a, b) for a, b in zip(one, other, strict=False)) / max(len(one), len(other))
    if one == other and isinstance(one, bool) == isinstance(other, bool):
        return 1.0
    return 0.9 * fuzz.ratio(one, other) / 100 if isinstance(one, str) and isinstance(other, str) else 0.0


def medoid(_: Shape, said: Sequence[Said], __: Sequence[float]) -> Outcome:
    """The candidate that is nearest to all others; ties fall to trust."""
    alike: dict[tuple[str, str], float] = {}

    def near(one: Said, other: Said) -> float:
        if one.key == other.key:
            return 1.0
        pair = (min(one.key, other.key), max(one.key, other.key))
        if pair not in alike:
            alike[pair] = similarity(one.data, other.data)
        return alike[pair]

    return Outcome(max(said, key=lambda each: round(sum(near(each, other) for other in said), 9)))


_ABSENT = object()


def merged(values: Sequence[Any]) -> Any:
    """Vote leaf by leaf, values equal as JSON, items of lists by their place; ties fall to trust."""
    kinds = Counter(type(value) if isinstance(value, dict | list) else None for value in values)
    kind = max((type(value) if isinstance(value, dict | list) else None for value in values), key=lambda k: kinds[k])
    if kind is dict:
        inner = [value for value in values if isinstance(value, dict)]
        names = dict.fromkeys(name for value in inner for name in value)
        out = {name: merged([value.get(name, _ABSENT) for value in inner]) for name in names}
        return {name: value for name, value in out.items() if value is not _ABSENT}
    if kind is list:
        inner_lists = [value for value in values if isinstance(value, list)]
        longest = max(map(len, inner_lists))
        items = [merged([v[place] if place < len(v) else _ABSENT for v in inner_lists]) for place in range(longest)]
        return [item for item in items if item is not _ABSENT]
    keys = ["" if value is _ABSENT else json.dumps(value, sort_keys=True) for value in values]
    counts = Counter(keys)
    return values[keys.index(max(keys, key=lambda key: counts[key]))]


def naive(shape: Shape, said: Sequence[Said], _: Sequence[float]) -> Outcome:
    """A majority for every field, as one writes it in an afternoon."""
    return Outcome(Said.read(merged([each.data for each in said]), shape))


@dataclass(slots=True)
class Ours:
    """The library's consensus.

    Attributes:
        consensus: the function.
        rules: kind of field, or a path after ``=`` -> rule, for measuring another default than the library's.
        weigh: accuracy on other folds -> weight; without it all weigh the same, and ties fall to trust.
        failures: what it raised, which it never should.
    """

    consensus: Callable[..., Any]
    rules: Mapping[str, Any] = field(default_factory=dict)
    weigh: Callable[[float], float] | None = None
    failures: Counter[str] = field(default_factory=Counter)

    def __call__(self, shape: Shape, said: Sequence[Said], trust: Sequence[float]) -> Outcome:
        """Decide."""
        options: dict[str, Any] = {}
        if rules := self._rules(shape):
            options["rules"] = rules
        if self.weigh is not None:
            options["weights"] = [self.weigh(accuracy) for accuracy in trust]
        try:
            decision = self.consensus([each.value for each in said], response_format=shape.type, **options)
        except Exception as error:  # noqa: BLE001 - a failure is a figure of the report
            self.failures[f"{type(error).__name__}: {error}"[:300]] += 1
            return Outcome(None)
        answer = Said.read(Said.of(decision.output, shape).data, shape)
        return Outcome(answer, {path: verdict.agreement for path, verdict in decision.verdicts.items()})

    def _rules(self, shape: Shape) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for kind, rule in self.rules.items():
            places = (kind[1:],) if kind.startswith("=") else shape.paths.get(kind, ())
            found |= dict.fromkeys(places, rule)
        return found


def log_odds(accuracy: float) -> float:
    """The weight that is best where members err independently."""
    sure = min(0.99, max(0.55, accuracy))
    return math.log(sure / (1 - sure))


def baselines() -> dict[str, Method]:
    """The methods that need nothing but the candidates."""
    return {"first valid": first, "plurality": plurality, "naive fields": naive, "medoid": medoid}
