"""What is settled: the questions whose answer no candidate that may still come could change."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._contests import questions
from ensemble_parse._consensus._nearness import bridged
from ensemble_parse._consensus._node import Collected, Record, Table, Union
from ensemble_parse._consensus._polls import Ballot, Members
from ensemble_parse._rules import AllOf, AnyOf, AskJudge, Mean, Median, MustAgree, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ensemble_parse._consensus._cohere import Outcome
    from ensemble_parse._consensus._node import Node
    from ensemble_parse._consensus._polls import Agreed, Poll
    from ensemble_parse._consensus._vote import Panel

_BY_ALL: Final = (AllOf, AnyOf, Mean, Median, MustAgree, Rule)
"""Rules under which any single answer counts."""


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
    for path, each, *_ in questions(poll, outcome):
        if not _settled(each, panel, bar):
            yield path


def _settled(poll: Agreed | Ballot | Members, panel: Panel, bar: Bar) -> bool:
    if isinstance(poll, Ballot):
        return poll.standing in ("similarity", "ignored") or (not _by_all(poll.node, bar) and _won(poll, panel, bar))
    if isinstance(poll, Members):
        return (
            not _by_all(poll.node, bar)
            and _leads(poll.voters, 0.0, poll.voters, panel, bar)
            and (
                bar.two or _leads(poll.in_line, panel.weight({*poll.voters} - {*poll.in_line}), poll.voters, panel, bar)
            )
        )
    # Nobody has said anything else yet: new values and new items start from nothing.
    return not _any_by_all(poll.node, poll.value, bar) and _leads(poll.voters, 0.0, poll.voters, panel, bar)


def _won(poll: Ballot, panel: Panel, bar: Bar) -> bool:
    best, *others = poll.options
    second = max([each.weight for each in others], default=0.0)
    if not _leads(best.voters, second, poll.voters, panel, bar):
        return False
    if bar.two:
        return True
    # Of what is the same the spelling that most use is returned, and that, too, must be beyond change.
    said = dict(zip(poll.voters, poll.values, strict=True))
    alike = [voter for voter in best.voters if values.same(said[voter], best.value)]
    unlike = panel.weight({*best.voters} - {*alike})
    spelled = not unlike or panel.share(panel.weight(alike) - unlike) > panel.share(bar.outstanding)
    return spelled and not _bridged(poll)


def _leads(voters: Sequence[int], second: float, asked: Sequence[int], panel: Panel, bar: Bar) -> bool:
    weight = panel.weight(voters)
    if bar.two:
        return len(voters) > 1 and panel.share(weight) > panel.share(second)
    if bar.arbitrated and panel.share(2 * weight) <= panel.share(panel.weight(asked) + bar.outstanding):
        return False
    return panel.share(weight - second) > panel.share(bar.outstanding)


def _bridged(poll: Ballot) -> bool:
    """Whether a value between two others could be near both, and join them."""
    near = poll.near
    if near is None:
        return False
    pairs = itertools.combinations(poll.values, 2)
    return any(not values.same(one, other) and near(bridged, one, other) for one, other in pairs)


def _by_all(node: Node, bar: Bar) -> bool:
    return isinstance(node.rules.get("combine"), _BY_ALL) or isinstance(
        node.rules.get("dissent"), (MustAgree, AskJudge) if bar.arbitrated else MustAgree
    )


def _any_by_all(node: Node, value: Any, bar: Bar) -> bool:
    """Whether there is such a rule anywhere in a value."""
    if _by_all(node, bar):
        return True
    if isinstance(node, Union):
        return _any_by_all(node.pick(value), value, bar)
    if isinstance(node, Record):
        below = zip([part.node for part in node.parts.values()], node.read(value), strict=True)
        return any(_any_by_all(each, part, bar) for each, part in below if part is not values.MISSING)
    if isinstance(node, Collected | Table):
        return any(_any_by_all(node.item, each, bar) for each in (value.values() if isinstance(node, Table) else value))
    return False
