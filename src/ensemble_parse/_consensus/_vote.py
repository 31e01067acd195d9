"""One ballot: who says the same, what leads, and whether it leads by enough."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ensemble_parse._consensus._values import Key, spelled_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Panel:
    """Who votes. A voter is a number: the candidate's place in the order given.

    Attributes:
        weights: by voter.
        ranks: by voter, 0 for the most trusted: the heaviest, of equals the first.
        total: the sum of the weights.
        given: the voter that is no candidate but an answer that stands already, and is only to be accounted for.
    """

    weights: tuple[float, ...]
    ranks: tuple[int, ...]
    total: float
    given: int | None = None

    @classmethod
    def of(cls, weights: Sequence[float]) -> Panel:
        """Rank the candidates."""
        order = sorted(range(len(weights)), key=lambda voter: (-weights[voter], voter))
        ranks = [0] * len(order)
        for rank, voter in enumerate(order):
            ranks[voter] = rank
        return cls(tuple(weights), tuple(ranks), sum(weights))

    def with_given(self) -> Panel:
        """Add an answer that stands: it decides everything and supports nothing."""
        return Panel((*self.weights, 0.0), (*self.ranks, -1), self.total, len(self.weights))

    def weight(self, voters: Iterable[int]) -> float:
        """Add up."""
        return sum([self.weights[voter] for voter in voters])

    def share(self, weight: float) -> float:
        """Give a weight as a share of all, rounded so that the order of adding up makes no difference."""
        return round(weight / self.total, 9)

    def trusted(self, voters: Iterable[int]) -> int:
        """Name the most trusted."""
        return min(voters, key=self.ranks.__getitem__)


@dataclass(frozen=True, slots=True)
class Option:
    """One of the things that are said.

    Attributes:
        value: in the spelling that most say.
        voters: who says it.
        weight: of the voters.
    """

    value: Any
    voters: tuple[int, ...]
    weight: float


def vote(
    panel: Panel, voters: Sequence[int], values: Sequence[Any], key: Key, near: Callable[[Any, Any], bool] | None = None
) -> list[Option]:
    """Gather what is said into options, the winner first.

    Ties fall to the option with the most trusted supporter: by weight, then by position. On recorded answers that is
    worth half a point of accuracy against a tie broken by chance, and as much as picking the most central text.
    """
    groups: dict[Hashable, list[int]] = {}
    said = dict(zip(voters, values, strict=True))
    for voter, value in said.items():
        groups.setdefault(key(value), []).append(voter)
    options = [_option(panel, group, said) for group in groups.values()]
    if near is not None and len(options) > 1:
        options = _joined(panel, options, near)
    return ranked(panel, options)


def ranked(panel: Panel, options: list[Option]) -> list[Option]:
    """Sort by support, ties by trust; where the answer stands already, what it says comes first."""
    return sorted(options, key=lambda each: _standing(panel, each))


def tied(panel: Panel, options: Sequence[Option]) -> bool:
    """Whether the first does not lead."""
    return len(options) > 1 and panel.share(options[0].weight) <= panel.share(options[1].weight)


def _standing(panel: Panel, option: Option) -> tuple[bool, float, int]:
    stands = panel.given is not None and panel.given in option.voters
    return (not stands, -panel.share(option.weight), min(map(panel.ranks.__getitem__, option.voters)))


def _option(panel: Panel, group: list[int], said: dict[int, Any]) -> Option:
    first = said[group[0]]
    value = first if all(spelled_alike(first, said[voter]) for voter in group) else _spelling(panel, group, said)
    return Option(value, tuple(group), panel.weight(group))


def _spelling(panel: Panel, group: list[int], said: dict[int, Any]) -> Any:
    if panel.given in group:
        return said[panel.given]
    spellings: list[list[int]] = []
    for voter in group:
        for alike in spellings:
            if spelled_alike(said[alike[0]], said[voter]):
                alike.append(voter)
                break
        else:
            spellings.append([voter])
    best = min(spellings, key=lambda each: (-panel.share(panel.weight(each)), panel.ranks[panel.trusted(each)]))
    return said[best[0]]


def _joined(panel: Panel, options: list[Option], near: Callable[[Any, Any], bool]) -> list[Option]:
    """Join what is near, around the value with the most support: nearness does not carry over from one to the next.

    What most say themselves stands, whatever else is near more of them; so nobody can move it who comes later.
    """
    all_ = sum([each.weight for each in options])
    beside: list[set[int]] = [{at} for at in range(len(options))]
    for one, other in itertools.combinations(range(len(options)), 2):
        if near(options[one].value, options[other].value):
            beside[one].add(other)
            beside[other].add(one)
    joined = [each for each, others in zip(options, beside, strict=True) if len(others) == 1]
    left = {at for at, others in enumerate(beside) if len(others) > 1}
    while left:
        clusters: list[tuple[Option, Option, set[int]]] = []
        for centre in sorted(left):
            around = beside[centre] & left
            voters = tuple(sorted(voter for at in around for voter in options[at].voters))
            clusters.append((Option(options[centre].value, voters, panel.weight(voters)), options[centre], around))
        best, _, around = min(clusters, key=lambda each: _centrality(panel, each[0], each[1], all_))
        stands = [options[at].value for at in around if panel.given in options[at].voters]
        joined.append(Option(stands[0], best.voters, best.weight) if stands else best)
        left -= around
    return joined


def _centrality(panel: Panel, around: Option, centre: Option, all_: float) -> tuple[Any, ...]:
    stands, weight, _ = _standing(panel, around)
    majority = panel.share(2 * centre.weight) > panel.share(all_)
    return (stands, not majority, weight, _standing(panel, centre))
