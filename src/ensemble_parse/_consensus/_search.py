"""The search for a valid combination of voted values: best first, and bounded."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Final

from ensemble_parse._consensus._polls import Ballot, Fork, Members, Parts, Shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ensemble_parse._consensus._cohere import Outcome
    from ensemble_parse._consensus._polls import Place, Poll

TRIALS: Final = 400
"""How many combinations are tried before the nearest whole candidate is taken."""


def lost(ballot: Ballot, option: int) -> float:
    """Say how much less weight an option has than the one with the most."""
    best = max(each.weight for each in ballot.options)
    return best - (ballot.options[option].weight if option >= 0 else 0.0)


def ballots(poll: Poll, outcome: Outcome) -> Iterator[Ballot]:  # noqa: C901 - a case for each kind of poll
    """Yield the questions on which the value depends as it stands, each once."""
    if isinstance(poll, Ballot):
        yield poll
    elif isinstance(poll, Shared):
        if poll.at == 0:
            yield poll.ballot
    elif isinstance(poll, Fork):
        yield poll.ballot
        yield from ballots(poll.branches[outcome.chosen(poll.ballot)], outcome)
    elif isinstance(poll, Members):
        for each in poll.members:
            if each.presence is not None:
                yield each.presence
            if outcome.inside(each.presence):
                yield from ballots(each.poll, outcome)
    elif isinstance(poll, Parts):
        for part in poll.parts.values():
            yield from ballots(part, outcome)


def combinations(poll: Parts, outcome: Outcome, named: set[str], bound: float) -> Iterator[dict[Place, int]]:
    """Yield other combinations of what was voted, the least support lost first, up to a loss of less than the bound.

    Of equal losses those come first that change only what the validator named.
    """
    panel = outcome.panel
    depth = len(poll.place)
    open_: list[tuple[Place, int, float, list[tuple[float, int]]]] = []
    for ballot in ballots(poll, outcome):
        start = outcome.chosen(ballot)
        others = [(panel.share(lost(ballot, i)), i) for i in range(len(ballot.options)) if i != start]
        name = str(ballot.place[depth]) if len(ballot.place) > depth else ""
        foreign = 0 if not named or name in named else 1
        if others:
            open_.append((ballot.place, foreign, panel.share(lost(ballot, start)), sorted(others)))
    count = itertools.count()
    queue: list[tuple[float, int, int, tuple[tuple[int, int], ...]]] = []

    def push(state: tuple[tuple[int, int], ...]) -> None:
        loss = sum(open_[at][3][i][0] - open_[at][2] for at, i in state)
        if round(loss, 9) < bound:
            heapq.heappush(queue, (round(loss, 9), sum(open_[at][1] for at, _ in state), next(count), state))

    for at in range(len(open_)):
        push(((at, 0),))
    for _ in range(TRIALS):
        if not queue:
            return
        *_, state = heapq.heappop(queue)
        yield {open_[at][0]: open_[at][3][i][1] for at, i in state}
        at, i = state[-1]
        if i + 1 < len(open_[at][3]):
            push((*state[:-1], (at, i + 1)))
        for further in range(at + 1, len(open_)):
            push((*state, (further, 0)))


def named(error: Exception) -> set[str]:
    """Name the fields that a validator complained of."""
    from pydantic_core import ValidationError

    if not isinstance(error, ValidationError):
        return set()
    return {str(each["loc"][0]) for each in error.errors(include_url=False, include_input=False) if each["loc"]}
