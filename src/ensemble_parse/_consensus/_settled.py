"""What is settled: the questions whose answer no candidate that may still come could change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._align import comparable
from ensemble_parse._consensus._contests import questions
from ensemble_parse._consensus._merge import DEEP
from ensemble_parse._consensus._node import Collected, Leaf, Record, Table, Union, only_record
from ensemble_parse._consensus._polls import Ballot, Members
from ensemble_parse._rules import AllOf, AnyOf, AskJudge, Mean, MustAgree, Rule

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from ensemble_parse._consensus._cohere import Outcome
    from ensemble_parse._consensus._node import Node
    from ensemble_parse._consensus._polls import Place, Poll
    from ensemble_parse._consensus._vote import Panel

_BY_ALL: Final = (AllOf, AnyOf, Mean, Rule)
"""Rules under which any single answer counts. A median is beyond change once most say the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What it takes to be settled.

    Attributes:
        outstanding: the weight of all candidates that may still come.
        two: whether two who agree and lead are enough, whatever may come.
        arbitrated: whether an arbiter is asked where there is no majority, so that a lead alone settles nothing.
    """

    outstanding: float
    two: bool = False
    arbitrated: bool = False


def unsettled(poll: Poll, outcome: Outcome, panel: Panel, bar: Bar) -> Iterator[str]:
    """Yield the paths that candidates still to come could change; long text, which is no vote, aside."""
    stopping: dict[Place, frozenset[int]] = {}
    for path, each, about, *_ in questions(poll, outcome):
        if isinstance(each, Members):
            stopping[each.place] = _stopping(each, bar)
            settled = _has_all(each, panel, bar, stopping[each.place])
        elif isinstance(each, Ballot):
            # Those who may turn out to have stopped at the first record have no say about what they lack.
            void = stopping[each.place[:-2]] if about == "item" and not each.options[0].value else frozenset[int]()
            settled = each.standing in ("similarity", "ignored") or (
                each.standing != "rule"
                and not _by_all(each.node, bar)
                and not _as_one(each, about)
                and _won(each, panel, bar, void)
            )
        else:
            # Nobody has said anything else yet: new values start from nothing.
            open_ = _any_by_all(each.node, each.value, bar)
            settled = not open_ and _leads(each.voters, 0.0, each.voters, panel, bar)
        if not settled:
            yield path


def _as_one(ballot: Ballot, about: str) -> bool:
    """Whether whole collections stand for election because no item has enough: one that has would end it."""
    parted = isinstance(ballot.node, Collected | Table) and not ballot.node.whole and len(ballot.place) <= DEEP
    return about == "value" and parted


def _stopping(poll: Members, bar: Bar) -> frozenset[int]:
    """Name those who have no say about other items, once there is a longer list with their only one."""
    node, said = poll.node, zip(poll.voters, poll.values, strict=True)
    if bar.two or not isinstance(node, Collected):
        return frozenset()
    return frozenset(voter for voter, each in said if only_record(node, each))


def _has_all(poll: Members, panel: Panel, bar: Bar, stopping: frozenset[int]) -> bool:
    """Whether no new item can come in, and no old one elsewhere."""
    firm = tuple(voter for voter in poll.voters if voter not in stopping)
    if _by_all(poll.node, bar) or not _leads(firm, 0.0, firm, panel, bar):
        return False
    if not bar.two and isinstance(poll.node, Table) and not _names_agree(poll.values):
        return False
    if not any(each.presence is None or each.presence.options[0].value for each in poll.members):
        # Once most have something, one of the collections stands as it is.
        having = panel.weight(voter for voter, said in zip(poll.voters, poll.values, strict=True) if said)
        if panel.share(panel.weight(poll.voters) - 2 * having) <= panel.share(bar.outstanding):
            return False
    return bar.two or (_in_order(poll, panel, bar) and _paired(poll, panel, bar, firm))


def _names_agree(tables: Sequence[Any]) -> bool:
    """Whether no two keys are but two spellings of one, which further tables could part, or spell in another way."""
    names = {name for table in tables for name in table}
    return len({values.text(name) if isinstance(name, str) else name for name in names}) == len(names)


def _won(poll: Ballot, panel: Panel, bar: Bar, void: frozenset[int]) -> bool:
    best, *others = poll.options
    second = max([each.weight for each in others], default=0.0)
    firm = tuple(voter for voter in best.voters if voter not in void)
    if not _leads(firm, second, tuple(voter for voter in poll.voters if voter not in void), panel, bar):
        return False
    if bar.two:
        return True
    # Of what is the same the spelling that most use is returned, and that, too, must be beyond change. What is near may
    # be joined around any value that is still to come, unless most say the same themselves.
    said = dict(zip(poll.voters, poll.values, strict=True))
    alike = {voter for voter in best.voters if values.same(said[voter], best.value)}
    unlike = panel.weight({*(poll.voters if poll.near else best.voters)} - alike)
    return not unlike or panel.share(panel.weight(alike - void) - unlike) > panel.share(bar.outstanding)


def _in_order(poll: Members, panel: Panel, bar: Bar) -> bool:
    """Whether the order of the items is beyond change: those who have all of them in it outweigh all others."""
    inside = [each for each in poll.members if each.presence is None or each.presence.options[0].value]
    if len(inside) <= 1 or isinstance(poll.node, Table):
        return True
    say = [voter for voter in poll.in_line if all(voter in each.voters for each in inside)]
    return panel.share(panel.weight(say)) > panel.share(
        panel.weight({*poll.voters} - {*poll.in_line}) + bar.outstanding
    )


def _paired(poll: Members, panel: Panel, bar: Bar, firm: Sequence[int]) -> bool:
    """Whether no list still to come can pair the items of others in another way, where likeness pairs them.

    Identical items are never parted. Of all others the worst is assumed: that they are one item in the end, which
    everybody has who has any, and everybody who is still to come.
    """
    node = poll.node
    if not isinstance(node, Collected) or node.by is not None or not comparable(node):
        return True
    all_ = panel.weight(firm) + bar.outstanding
    counts = {voter: Counter(map(node.item.key, said)) for voter, said in zip(poll.voters, poll.values, strict=True)}
    agreed: dict[Hashable, int] = {}
    for key in {key for each in counts.values() for key in each}:
        most = max(each[key] for each in counts.values())
        agreed[key] = max(
            (
                number
                for number in range(1, most + 1)
                if panel.share(2 * panel.weight(v for v, each in counts.items() if each[key] >= number))
                > panel.share(panel.weight(poll.voters) + bar.outstanding)
            ),
            default=0,
        )
    loose = panel.weight(v for v, each in counts.items() if any(each[key] > agreed[key] for key in each))
    return panel.share(2 * (loose + bar.outstanding)) < panel.share(all_)


def _leads(voters: Sequence[int], second: float, asked: Sequence[int], panel: Panel, bar: Bar) -> bool:
    weight = panel.weight(voters)
    if bar.two:
        return len(voters) > 1 and panel.share(weight) > panel.share(second)
    if bar.arbitrated and panel.share(2 * weight) <= panel.share(panel.weight(asked) + bar.outstanding):
        return False
    return panel.share(weight - second) > panel.share(bar.outstanding)


def _by_all(node: Node, bar: Bar) -> bool:
    return isinstance(node.rules.get("combine"), _BY_ALL) or isinstance(
        node.rules.get("dissent"), (MustAgree, AskJudge) if bar.arbitrated else MustAgree
    )


def _any_by_all(node: Node, value: Any, bar: Bar) -> bool:
    """Whether any further answer may change a value that all agree on: by a rule, or as a list of one record."""
    if _by_all(node, bar):
        return True
    if isinstance(node, Leaf) or node.whole:
        return False
    if isinstance(node, Union):
        return _any_by_all(node.pick(value), value, bar)
    if isinstance(node, Record):
        below = zip([part.node for part in node.parts.values()], node.read(value), strict=True)
        return any(_any_by_all(each, part, bar) for each, part in below if part is not values.MISSING)
    if isinstance(node, Table):
        return any(_any_by_all(node.item, each, bar) for each in value.values())
    assert isinstance(node, Collected)  # noqa: S101 - there are no other nodes
    stopping = not bar.two and only_record(node, value)
    return stopping or any(_any_by_all(node.item, each, bar) for each in value)
