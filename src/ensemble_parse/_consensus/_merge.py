"""The survey: walk the type, gather at every place what the candidates say, and ask where they differ."""

from __future__ import annotations

import statistics
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._align import align, in_order
from ensemble_parse._consensus._node import Collected, Leaf, Node, Record, Table, Union
from ensemble_parse._consensus._polls import Agreed, Ballot, Fork, Member, Members, Parts, Shared
from ensemble_parse._consensus._vote import Option, Panel, ranked, tied, vote
from ensemble_parse._rules import AllOf, AnyOf, Ignore, Mean, Median, MustAgree, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ensemble_parse._consensus._polls import Place, Poll, Standing

LONG: Final = 60
"""Texts longer than this are prose: on recorded answers only a quarter of them are repeated verbatim by all."""


def survey(node: Node, panel: Panel, voters: Sequence[int], said: Sequence[Any], place: Place = ()) -> Poll:
    """Poll the voters on one place of the type and on everything below it.

    Args:
        node: the type at this place.
        panel: the weights.
        voters: who has anything to say here, in the order given.
        said: what each of them says.
        place: where this is.
    """
    voters = tuple(voters)
    if len(voters) == 1:
        return Agreed(node, voters, said[0])
    if isinstance(node, Leaf) or node.whole:
        return _leaf(node, panel, voters, said, place)
    if isinstance(node, Union):
        return _fork(node, panel, voters, said, place)
    if isinstance(node, Record):
        return _parts(node, panel, voters, said, place)
    if isinstance(node, Collected):
        return _items(node, panel, voters, said, place)
    assert isinstance(node, Table)  # noqa: S101 - there are no other nodes
    return _entries(node, panel, voters, said, place)


def _leaf(node: Node, panel: Panel, voters: tuple[int, ...], said: Sequence[Any], place: Place) -> Poll:
    first = said[0]
    if all([values.same(each, first) for each in said]):
        return Agreed(node, voters, first)
    near = node.near if isinstance(node, Leaf) else None
    options = vote(panel, voters, said, node.key, near)
    combine, dissent = node.rules.get("combine"), node.rules.get("dissent")
    if panel.given in voters:
        standing: Standing = "ignored" if isinstance(dissent, Ignore) else _standing(panel, node, voters, options)
        return Ballot(node, place, voters, said, options, standing)
    if isinstance(dissent, Ignore):
        trusted = said[voters.index(panel.trusted(voters))]
        return _ruled(node, place, voters, said, options, trusted, "ignored")
    if isinstance(combine, Rule):
        order = sorted(range(len(voters)), key=lambda i: panel.ranks[voters[i]])
        value = combine.function([said[i] for i in order], [panel.weights[voters[i]] for i in order])
        return _ruled(node, place, voters, said, options, value, "rule")
    if isinstance(combine, Median | Mean) and values.is_number(options[0].value):
        numbers = [
            (each, panel.weights[voter]) for each, voter in zip(said, voters, strict=True) if values.is_number(each)
        ]
        value = _median(numbers) if isinstance(combine, Median) else _mean(numbers)
        return _ruled(node, place, voters, said, options, value, "rule")
    if node.kind == "text" and len(options) == len(voters) and min(map(_length, said)) > LONG:
        return _prose(node, panel, voters, said, place, options)
    return Ballot(node, place, voters, said, options, _standing(panel, node, voters, options))


def _ruled(
    node: Node,
    place: Place,
    voters: tuple[int, ...],
    said: Sequence[Any],
    options: list[Option],
    value: Any,  # noqa: ANN401
    standing: Standing,
) -> Ballot:
    """Put what a rule makes of the values before what is said."""
    key = node.key(value)
    winner = next((each for each in options if node.key(each.value) == key), Option(value, (), 0.0))
    chosen = Option(value, winner.voters, winner.weight)
    return Ballot(node, place, voters, said, [chosen, *(each for each in options if each is not winner)], standing)


def _prose(
    node: Node, panel: Panel, voters: tuple[int, ...], said: Sequence[Any], place: Place, options: list[Option]
) -> Ballot:
    from ensemble_parse._consensus._similarity import alike

    best, *others = options
    weight = panel.weight(voters) - best.weight
    likeness = sum(panel.weight(each.voters) * alike(best.value, each.value) for each in others) / (weight or 1.0)
    return Ballot(node, place, voters, said, options, "similarity", round(likeness, 9))


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else 0


def _standing(panel: Panel, node: Node, voters: tuple[int, ...], options: Sequence[Option]) -> Standing:
    lead = panel.share(options[0].weight)
    if isinstance(node.rules.get("dissent"), MustAgree) and len(options) > 1:
        return "undecided"
    if 2 * lead > panel.share(panel.weight(voters)):
        return "majority"
    return "undecided" if tied(panel, options) else "plurality"


def _fork(node: Union, panel: Panel, voters: tuple[int, ...], said: Sequence[Any], place: Place) -> Poll:
    chosen = [node.pick(each) for each in said]
    if all(each is chosen[0] for each in chosen):
        return survey(chosen[0], panel, voters, said, place)
    options = vote(panel, voters, chosen, id)
    branches: list[Poll] = []
    for number, option in enumerate(options):
        at = [i for i, each in enumerate(chosen) if each is option.value]
        below = (*place, number)
        branches.append(survey(option.value, panel, [voters[i] for i in at], [said[i] for i in at], below))
    ballot = Ballot(node, place, voters, said, options, _standing(panel, node, voters, options))
    return Fork(node, ballot, branches)


def _parts(node: Record, panel: Panel, voters: tuple[int, ...], said: Sequence[Any], place: Place) -> Poll:
    rows = [(each, node.read(each)) for each in said]
    columns = zip(*[row for _, row in rows], strict=True)
    given = [node.given(each) for each in said]
    parts: dict[str | int, Poll] = {}
    for (name, part), column in zip(node.parts.items(), columns, strict=True):
        if part.fresh and not any(names is None or name in names for names in given):
            parts[name] = Agreed(part.node, voters, column[0])
        else:
            parts[name] = survey(part.node, panel, voters, column, (*place, name))
    for names in node.together:
        _share(node, names, panel, voters, rows, place, parts)
    if all([type(each) is Agreed for each in parts.values()]):
        return Agreed(node, voters, said[0])
    return Parts(node, place, voters, rows, parts)


def _share(
    node: Record,
    names: tuple[str, ...],
    panel: Panel,
    voters: tuple[int, ...],
    rows: Sequence[tuple[Any, Sequence[Any]]],
    place: Place,
    parts: dict[str | int, Poll],
) -> None:
    """Ask one question about several parts, if they differ on any."""
    if all(isinstance(parts[name], Agreed) for name in names):
        return
    order = [*node.parts]
    at = [order.index(name) for name in names]
    keys = [node.parts[name].node.key for name in names]
    said = [tuple([row[i] for i in at]) for _, row in rows]
    options = vote(panel, voters, said, lambda group: tuple([key(each) for key, each in zip(keys, group, strict=True)]))
    ballot = Ballot(node, (*place, names), voters, said, options, _standing(panel, node, voters, options))
    for i, name in enumerate(names):
        parts[name] = Shared(node.parts[name].node, ballot, i)


def _items(node: Collected, panel: Panel, voters: tuple[int, ...], said: Sequence[Any], place: Place) -> Poll:
    lists = [by_text(each) if node.kind == "set" else each for each in said]
    slots = align(node, panel, voters, lists)
    slots = [slots[at] for at in in_order(panel, slots)]
    where = {voter: each for voter, each in zip(voters, lists, strict=True)}
    members: list[Member] = []
    for at, slot in enumerate(slots):
        having = tuple(sorted(slot))
        here = [where[voter][slot[voter]] for voter in having]
        below = (*place, at)
        alike = all([values.same(here[0], each) for each in here[1:]])
        poll = Agreed(node.item, having, here[0]) if alike else survey(node.item, panel, having, here, below)
        members.append(Member(having, poll, _presence(node, panel, voters, having, below)))
    if _settled(members) and all([set(slot.values()) == {at} for at, slot in enumerate(slots)]):
        return Agreed(node, voters, said[0])
    return Members(node, place, voters, said, members, _in_line(voters, slots) if node.ordered else None)


def _entries(node: Table, panel: Panel, voters: tuple[int, ...], said: Sequence[Any], place: Place) -> Poll:
    found: dict[Any, dict[int, Any]] = {}
    for voter, each in zip(voters, said, strict=True):
        for name in each:
            found.setdefault(node.name.key(name), {}).setdefault(voter, name)
    where = dict(zip(voters, said, strict=True))
    members: list[Member] = []
    for key, names in found.items():
        having, below = tuple(sorted(names)), (*place, key)
        poll = survey(node.item, panel, having, [where[voter][names[voter]] for voter in having], below)
        spelled = vote(panel, having, [names[voter] for voter in having], lambda _: None)[0].value
        members.append(Member(having, poll, _presence(node, panel, voters, having, below), spelled))
    if _settled(members) and all([each.step in said[0] for each in members]):
        return Agreed(node, voters, said[0])
    return Members(node, place, voters, said, members)


def _settled(members: Sequence[Member]) -> bool:
    return all([each.presence is None and type(each.poll) is Agreed for each in members])


def _presence(
    node: Collected | Table, panel: Panel, voters: tuple[int, ...], having: tuple[int, ...], place: Place
) -> Ballot | None:
    if len(having) == len(voters):
        return None
    absent = tuple(voter for voter in voters if voter not in having)
    options = ranked(panel, [Option(True, having, panel.weight(having)), Option(False, absent, panel.weight(absent))])  # noqa: FBT003
    combine = node.rules.get("combine")
    standing = _standing(panel, node, voters, options)
    if isinstance(combine, AnyOf | AllOf) and panel.given is None:
        options.sort(key=lambda each: each.value is not isinstance(combine, AnyOf))
        standing = "rule"
    return Ballot(node, (*place, "present"), voters, [voter in having for voter in voters], options, standing)


def _in_line(voters: tuple[int, ...], slots: Sequence[dict[int, int]]) -> tuple[int, ...]:
    """Who has the items in the order of the slots."""
    line = {voter: [slot[voter] for slot in slots if voter in slot] for voter in voters}
    return tuple(voter for voter, places in line.items() if places == sorted(places))


def by_text(items: Any) -> list[Any]:  # noqa: ANN401 - a set
    """Order the members of a set, whose own order changes from one run to the next."""
    return sorted(items, key=lambda each: (type(each).__name__, repr(each)))


def _median(numbers: list[tuple[Any, float]]) -> Any:  # noqa: ANN401 - a number
    numbers = sorted(numbers, key=lambda each: each[0])
    half, below = sum(weight for _, weight in numbers) / 2, 0.0
    for at, (value, weight) in enumerate(numbers):
        below += weight
        if abs(below - half) <= values.REL * half and not isinstance(value, int):
            return statistics.mean((value, numbers[at + 1][0]))
        if below >= half * (1 - values.REL):
            return value
    return numbers[-1][0]


def _mean(numbers: list[tuple[Any, float]]) -> Any:  # noqa: ANN401 - a number
    total = sum(weight for _, weight in numbers)
    if any(isinstance(value, Decimal) for value, _ in numbers):
        mean: Any = sum(Decimal(value) * Decimal(str(weight)) for value, weight in numbers) / Decimal(str(total))
    else:
        mean = sum(value * weight for value, weight in numbers) / total
    return round(mean) if all(isinstance(value, int) for value, _ in numbers) else mean
