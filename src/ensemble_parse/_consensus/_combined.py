"""What a rule makes of what is said at one place, where there is one that makes something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._numbers import mean, median
from ensemble_parse._consensus._rules import Own
from ensemble_parse._consensus._vote import tied, vote
from ensemble_parse._rules import Ignore, Mean, Median

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ensemble_parse._consensus._node import Node
    from ensemble_parse._consensus._polls import Standing
    from ensemble_parse._consensus._vote import Option, Panel


class Made(NamedTuple):
    """What a rule made.

    Attributes:
        value: it.
        standing: how it stands.
    """

    value: Any
    standing: Standing


def combined(node: Node, panel: Panel, voters: Sequence[int], said: Sequence[Any]) -> Made | None:
    """Let the rule of a place make a value of what is said there, if it has one that does."""
    combine, weights = (node.rules.get("combine"), [panel.weights[voter] for voter in voters])
    if isinstance(node.rules.get("dissent"), Ignore):
        return Made(said[voters.index(panel.trusted(voters))], "ignored")
    if isinstance(combine, Own):
        order = sorted(range(len(weights)), key=lambda i: panel.ranks[voters[i]])
        return Made(combine.made([said[i] for i in order], [weights[i] for i in order]), "rule")
    if isinstance(combine, Median | Mean):
        kinds = by_kind(node, panel, voters, said)
        if values.is_number(kinds[0].value):
            numbers = [pair for pair in zip(said, weights, strict=True) if values.is_number(pair[0])]
            value = median(numbers) if isinstance(combine, Median) else mean(numbers)
            return Made(value, "undecided" if tied(panel, kinds) else "rule")
    return None


def by_kind(node: Node, panel: Panel, voters: Sequence[int], said: Sequence[Any]) -> list[Option]:
    """Vote on whether it is a number, whichever, or what else it is."""

    def kind(value: Any) -> Hashable:
        return True if values.is_number(value) else (node.key(value),)

    return vote(panel, voters, said, kind)
