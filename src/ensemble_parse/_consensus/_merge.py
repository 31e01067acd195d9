"""The survey: walk the type, gather at every place what the candidates say, and ask where they differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._align import align, in_order
from ensemble_parse._consensus._combined import by_kind, combined
from ensemble_parse._consensus._data import by_text
from ensemble_parse._consensus._nearness import near_in, near_in_all
from ensemble_parse._consensus._node import Collected, Leaf, Node, Record, Table, Union, by_key, only_record
from ensemble_parse._consensus._polls import Agreed, Ballot, Fork, Member, Members, Parts, Shared
from ensemble_parse._consensus._shape import by_class
from ensemble_parse._consensus._vote import Option, Panel, ranked, tied, vote
from ensemble_parse._rules import AllOf, AnyOf, AskJudge, Ignore, Mean, Median, MustAgree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ensemble_parse._consensus._align import Slot
    from ensemble_parse._consensus._nearness import Near
    from ensemble_parse._consensus._polls import Place, Poll, Standing

LONG: Final = 60
"""Texts longer than this are prose: on recorded answers only a quarter of them are repeated verbatim by all."""

DEEP: Final = 48
"""What lies deeper than so many fields and items is voted upon as one: no document does, and Python's stack ends."""

SEVERAL: Final = 3
"""With so many different records most of a list would be made up, if a list of the first alone were complete."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is said at one place.

    Attributes:
        panel: the weights.
        voters: who has anything to say here, in the order given.
        said: what each of them says.
        place: where this is.
    """

    panel: Panel
    voters: tuple[int, ...]
    said: Sequence[Any]
    place: Place

    def ballot(
        self,
        node: Node,
        options: Sequence[Option],
        standing: Standing,
        likeness: float | None = None,
        near: Near | None = None,
    ) -> Ballot:
        """Put it as a question."""
        return Ballot(node, self.place, self.voters, self.said, options, standing, likeness, near)


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
    asked = Asked(panel, voters, said, place)
    if isinstance(node, Leaf) or node.whole or len(place) > DEEP:
        return _leaf(node, asked)
    if isinstance(node, Record):
        open_ = by_class(node, said)
        return _fork(open_, asked) if open_ else _parts(node, asked)
    if isinstance(node, Collected):
        return _items(node, asked)
    if isinstance(node, Table):
        return _entries(node, asked)
    assert isinstance(node, Union)  # noqa: S101 - there are no other nodes
    return _fork(node, asked)


def _leaf(node: Node, asked: Asked) -> Poll:
    first = asked.said[0]
    if all([values.same(each, first) for each in asked.said]):  # noqa: C419 - most places end here, and a list is faster
        return Agreed(node, asked.voters, first)
    near = near_in(node)
    options = vote(asked.panel, asked.voters, asked.said, node.key, near)
    dissent, combine = node.rules.get("dissent"), node.rules.get("combine")
    if asked.panel.given is None:
        made = combined(node, asked.panel, asked.voters, asked.said)
        if made is not None:
            return asked.ballot(node, _first(node, made.value, options), made.standing)
        if isinstance(combine, Median | Mean):  # it is no number, and has to lead all numbers together
            kinds = by_kind(node, asked.panel, asked.voters, asked.said)
            return asked.ballot(node, options, _standing(node, asked, kinds))
    elif isinstance(dissent, Ignore):
        return asked.ballot(node, options, "ignored")
    if node.kind == "text" and len(options) == len(asked.voters) and min(map(_length, asked.said)) > LONG:
        standing: Standing = "undecided" if isinstance(dissent, MustAgree) else "similarity"
        return asked.ballot(node, options, standing, _likeness(options))
    return asked.ballot(node, options, _standing(node, asked, options), near=near)


def _first(node: Node, value: Any, options: Sequence[Option]) -> list[Option]:
    """Put a value first, whoever says it."""
    key = node.key(value)
    said = next((each for each in options if node.key(each.value) == key), Option(value, (), 0.0))
    return [Option(value, said.voters, said.weight), *(each for each in options if each is not said)]


def _likeness(options: Sequence[Option]) -> float:
    """Say how alike the other texts are to the first, on average by weight."""
    from ensemble_parse._consensus._similarity import alike

    best, *others = options
    weight = sum(each.weight for each in others)
    return round(sum(each.weight * alike(best.value, each.value) for each in others) / (weight or 1.0), 9)


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else 0


def _standing(node: Node, asked: Asked, options: Sequence[Option]) -> Standing:
    panel = asked.panel
    if isinstance(node.rules.get("dissent"), MustAgree) and len(options) > 1:
        return "undecided"
    if panel.share(2 * options[0].weight) > panel.share(panel.weight(asked.voters)):
        return "majority"
    return "undecided" if tied(panel, options) else "plurality"


def _fork(node: Union, asked: Asked) -> Poll:
    panel, voters, said, place = asked.panel, asked.voters, asked.said, asked.place
    chosen = [node.pick(each) for each in said]
    if all(each is chosen[0] for each in chosen):
        return survey(chosen[0], panel, voters, said, place)
    options = vote(panel, voters, chosen, id)
    branches: list[Poll] = []
    for number, option in enumerate(options):
        at = [i for i, each in enumerate(chosen) if each is option.value]
        below = (*place, number)
        branches.append(survey(option.value, panel, [voters[i] for i in at], [said[i] for i in at], below))
    return Fork(node, asked.ballot(node, options, _standing(node, asked, options)), branches)


def _parts(node: Record, asked: Asked) -> Poll:
    panel, voters, said, place = asked.panel, asked.voters, asked.said, asked.place
    rows = [(each, node.read(each)) for each in said]
    columns = zip(*[row for _, row in rows], strict=True)
    given = [node.given(each) for each in said]
    parts: dict[str | int, Poll] = {}
    for (name, part), column in zip(node.parts.items(), columns, strict=True):
        if (part.fresh and not any(names is None or name in names for names in given)) or part.anew(column):
            parts[name] = Agreed(part.node, voters, column[0])
        else:
            parts[name] = survey(part.node, panel, voters, column, (*place, name))
    for names in node.together:
        _share(node, names, asked, [row for _, row in rows], parts)
    if all(type(each) is Agreed for each in parts.values()):
        return Agreed(node, voters, said[0])
    return Parts(node, place, voters, rows, parts)


def _share(
    node: Record, names: tuple[str, ...], asked: Asked, rows: Sequence[Sequence[Any]], parts: dict[str | int, Poll]
) -> None:
    """Ask one question about several parts, if they differ on any; what one of them makes of dissent holds for all."""
    if all(isinstance(parts[name], Agreed) for name in names):
        return
    order = [*node.parts]
    at = [order.index(name) for name in names]
    nodes = [node.parts[name].node for name in names]
    one = replace(asked, said=[tuple([row[i] for i in at]) for row in rows], place=(*asked.place, names))
    near = near_in_all([node.parts[name].node for name in names])
    options = vote(
        one.panel,
        one.voters,
        one.said,
        lambda group: tuple([each.key(said) for each, said in zip(nodes, group, strict=True)]),
        near,
    )
    for kind in (AskJudge, MustAgree):
        told = [each.rules["dissent"] for each in nodes if isinstance(each.rules.get("dissent"), kind)]
        if told:
            node = replace(node, rules={**node.rules, "dissent": told[0]})
    ballot = one.ballot(node, options, _standing(node, one, options), near=near)
    for i, name in enumerate(names):
        parts[name] = Shared(nodes[i], ballot, i)


def _items(node: Collected, asked: Asked) -> Poll:
    panel, voters, said, place = asked.panel, asked.voters, asked.said, asked.place
    if all([values.same(each, said[0]) for each in said]):  # noqa: C419 - as above
        return Agreed(node, voters, said[0])
    lists = [by_text(each) if node.kind == "set" else each for each in said]
    slots = align(node, panel, voters, lists)
    slots = [slots[at] for at in in_order(panel, slots)]
    where = dict(zip(voters, lists, strict=True))
    stopped = _stopped(node, where, slots) if panel.given is None else frozenset[int]()
    members: list[Member] = []
    for at, slot in enumerate(slots):
        having = tuple(sorted(slot))
        here = [where[voter][slot[voter]] for voter in having]
        below = (*place, at)
        alike = all([values.same(here[0], each) for each in here[1:]])  # noqa: C419 - as above
        poll = Agreed(node.item, having, here[0]) if alike else survey(node.item, panel, having, here, below)
        members.append(Member(having, poll, _presence(node, asked, having, below, stopped)))
    if _settled(members) and all(set(slot.values()) == {at} for at, slot in enumerate(slots)):
        return Agreed(node, voters, said[0])
    lines = _lines(voters, slots)
    return _whole(node, asked, members) or Members(node, place, voters, said, members, lines)


def _entries(node: Table, asked: Asked) -> Poll:
    panel, voters, said, place = asked.panel, asked.voters, asked.said, asked.place
    found: dict[Any, dict[int, Any]] = {}
    for voter, keyed in zip(voters, by_key(node, said), strict=True):
        for key, name in keyed.items():
            found.setdefault(key, {})[voter] = name
    where = dict(zip(voters, said, strict=True))
    members: list[Member] = []
    for key, names in found.items():
        having, below = tuple(sorted(names)), (*place, key)
        poll = survey(node.item, panel, having, [where[voter][names[voter]] for voter in having], below)
        spelled = vote(panel, having, [names[voter] for voter in having], lambda _: None)[0].value
        members.append(Member(having, poll, _presence(node, asked, having, below), spelled))
    if _settled(members) and all(each.keys() == said[0].keys() for each in said):
        return Agreed(node, voters, said[0])
    return _whole(node, asked, members) or Members(node, place, voters, said, members, {})


def _whole(node: Collected | Table, asked: Asked, members: Sequence[Member]) -> Ballot | None:
    """Ask for one whole collection where most have something and no item has enough: what is left would be nothing."""
    panel = asked.panel
    if panel.given is not None or isinstance(node.rules.get("combine"), AllOf):
        return None
    if isinstance(node, Table) and node.bare:
        return None
    if any(each.presence is None or each.presence.options[0].value for each in members):
        return None
    having = panel.weight(voter for voter, each in zip(asked.voters, asked.said, strict=True) if each)
    if panel.share(2 * having) <= panel.share(panel.weight(asked.voters)):
        return None
    options = vote(panel, asked.voters, asked.said, node.key)
    return asked.ballot(node, options, _standing(node, asked, options))


def _settled(members: Sequence[Member]) -> bool:
    return all(each.presence is None and type(each.poll) is Agreed for each in members)


def _stopped(node: Collected, where: Mapping[int, Sequence[Any]], slots: Sequence[Slot]) -> frozenset[int]:
    """Name those who stopped at the first record: whose only one is among the three or more of somebody else.

    Copies do not count: a model that repeats itself has not seen more than the others.
    """
    alone = {voter for voter, each in where.items() if only_record(node, each)}
    long = {voter for voter, each in where.items() if alone and len(set(map(node.item.key, each))) >= SEVERAL}
    return frozenset(voter for slot in slots if not long.isdisjoint(slot) for voter in alone.intersection(slot))


def _presence(
    node: Collected | Table, asked: Asked, having: tuple[int, ...], place: Place, stopped: frozenset[int] = frozenset()
) -> Ballot | None:
    """Ask whether an item is one at all, if not all have it.

    Those who stopped have no say about what they lack. An item that has a majority of the others, but not of all, is
    let in, undecided.
    """
    if len(having) == len(asked.voters):
        return None
    panel = asked.panel
    absent = tuple(voter for voter in asked.voters if voter not in having)
    options = ranked(panel, [Option(value=True, voters=having, weight=panel.weight(having)),
                             Option(value=False, voters=absent, weight=panel.weight(absent))])  # fmt: skip
    one = replace(asked, said=[voter in having for voter in asked.voters], place=(*place, "present"))
    standing, combine = _standing(node, one, options), node.rules.get("combine")
    if isinstance(combine, AnyOf | AllOf) and panel.given is None:
        options.sort(key=lambda each: each.value is not isinstance(combine, AnyOf))
        standing = "rule"
    elif not options[0].value and not stopped.isdisjoint(absent):
        firm = panel.weight(voter for voter in absent if voter not in stopped)
        if panel.share(options[1].weight) > panel.share(firm):
            options.reverse()
            standing = "undecided"
    return one.ballot(node, options, standing)


def _lines(voters: tuple[int, ...], slots: Sequence[dict[int, int]]) -> dict[int, tuple[int, ...]]:
    """Say for every voter which slots it has, in its own order."""
    having = {voter: [at for at, slot in enumerate(slots) if voter in slot] for voter in voters}
    return {voter: tuple(sorted(each, key=lambda at: slots[at][voter])) for voter, each in having.items()}
