"""How candidates split on every question of an answer: what weights and probabilities are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ensemble_parse._consensus._data import by_text
from ensemble_parse._consensus._node import Collected, Leaf, Record, Table, Union
from ensemble_parse._consensus._paths import join
from ensemble_parse._consensus._polls import Agreed, Ballot, Fork, Members, Shared
from ensemble_parse._consensus._values import MISSING
from ensemble_parse._rules import Ignore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ensemble_parse._consensus._cohere import Outcome
    from ensemble_parse._consensus._node import Node
    from ensemble_parse._consensus._polls import Member, Poll
    from ensemble_parse._learned import Learned

Voters: TypeAlias = "tuple[int, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Who says the same to one question.

    Attributes:
        path: where it is; ``None`` for an item that is left out.
        kind: of the value, or ``"item"``: whether something is an item at all; ``"type"``: of which type it is.
        groups: for each answer who gives it; none for a list as such, which is right if its items are.
        stands: which of them stands; its group is empty where no candidate says so.
        under: the questions about what contains it, which must be right as well.
    """

    path: str | None
    kind: str
    groups: tuple[Voters, ...]
    stands: int
    under: tuple[Split, ...] = ()


def splits(poll: Poll, outcome: Outcome, path: str = "", under: tuple[Split, ...] = ()) -> Iterator[Split]:
    """Go through all that an answer says; an answer that only stands, and is nobody's vote, is in no group."""
    given = outcome.panel.given
    if isinstance(poll, Agreed):
        yield from _agreed(poll.node, poll.value, tuple(v for v in poll.voters if v != given), path, under)
    elif isinstance(poll, Ballot):
        if poll.standing != "ignored":
            yield _asked(poll, outcome, path, poll.node.kind, under)
    elif isinstance(poll, Shared):
        yield _asked(poll.ballot, outcome, path, poll.node.kind, under)
    elif isinstance(poll, Fork):
        kind = _asked(poll.ballot, outcome, path, "type", under)
        yield kind
        yield from splits(poll.branches[outcome.chosen(poll.ballot)], outcome, path, (*under, kind))
    elif isinstance(poll, Members):
        yield from _members(poll, outcome, path, under)
    elif poll.place in outcome.standing:
        standing = outcome.standing[poll.place]
        yield from splits(standing, type(outcome)(outcome.panel.with_given()), path, under)
    else:
        for name, part in poll.parts.items():
            yield from splits(part, outcome, join(path, poll.node.parts[name].step), under)


def chances(poll: Poll, outcome: Outcome, learned: Learned, processors: Sequence[str]) -> dict[str, float | None]:
    """Say for every path how likely it is right, with all that contains it; ``None`` where no candidate says so."""
    known: dict[int, float | None] = {}

    def alone(split: Split) -> float | None:
        if id(split) not in known:
            said = [[processors[voter] for voter in group] for group in split.groups]
            supported = not said or said[split.stands]
            known[id(split)] = (
                None if not supported else learned.probability(said, split.stands, split.kind) if said else 1.0
            )
        return known[id(split)]

    told: dict[str, float | None] = {}
    for split in [*splits(poll, outcome)]:  # all are kept until the end, so that an id is one split's
        chance: float | None = 1.0
        for each in (*split.under, split):
            one = alone(each)
            chance = None if chance is None or one is None else chance * one
        if split.path is not None:
            told[split.path] = chance
    return told


def _asked(ballot: Ballot, outcome: Outcome, path: str | None, kind: str, under: tuple[Split, ...]) -> Split:
    given = outcome.panel.given
    groups = tuple(tuple(v for v in option.voters if v != given) for option in ballot.options)
    stands = outcome.chosen(ballot)
    kept = [at for at, group in enumerate(groups) if group or at == stands]
    return Split(path, kind, tuple(groups[at] for at in kept), kept.index(stands), under)


def _members(poll: Members, outcome: Outcome, path: str, under: tuple[Split, ...]) -> Iterator[Split]:
    given = outcome.panel.given
    items: list[Split] = []
    at = 0
    for member in poll.members:
        inside = outcome.inside(member.presence)
        below = join(path, at if member.step is None else str(member.step)) if inside else None
        at += inside
        if all(voter == given for voter in member.voters):
            continue  # nobody has been asked about what only the given answer has
        item = _item(member, outcome, below, under)
        items.append(item)
        yield item
        if below is not None:
            yield from splits(member.poll, outcome, below, (*under, item))
    yield Split(path, poll.node.kind, (), -1, (*under, *items))


def _item(member: Member, outcome: Outcome, path: str | None, under: tuple[Split, ...]) -> Split:
    if member.presence is not None:
        return _asked(member.presence, outcome, path, "item", under)
    return Split(path, "item", (tuple(v for v in member.voters if v != outcome.panel.given),), 0, under)


def _agreed(node: Node, value: Any, voters: Voters, path: str, under: tuple[Split, ...]) -> Iterator[Split]:
    """Go through a value that all who have it give alike."""
    if value is MISSING or isinstance(node.rules.get("dissent"), Ignore):
        return
    if isinstance(node, Leaf) or node.whole:
        yield Split(path, node.kind, (voters,), 0, under)
    elif isinstance(node, Union):
        kind = Split(path, "type", (voters,), 0, under)
        yield kind
        yield from _agreed(node.pick(value), value, voters, path, (*under, kind))
    elif isinstance(node, Record):
        for part, each in zip(node.parts.values(), node.read(value), strict=True):
            yield from _agreed(part.node, each, voters, join(path, part.step), under)
    else:
        assert isinstance(node, Collected | Table)  # noqa: S101 - there are no other nodes
        named = value.items() if isinstance(node, Table) else enumerate(by_text(value) if node.kind == "set" else value)
        items: list[Split] = []
        for step, each in named:
            below = join(path, step if isinstance(node, Collected) else str(step))
            items.append(Split(below, "item", (voters,), 0, under))
            yield items[-1]
            yield from _agreed(node.item, each, voters, below, (*under, items[-1]))
        yield Split(path, node.kind, (), -1, (*under, *items))
