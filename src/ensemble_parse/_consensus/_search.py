"""The search for a valid combination of voted values: best first, and bounded."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ensemble_parse._consensus._polls import Ballot, Fork, Members, Parts, Shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ensemble_parse._consensus._cohere import Outcome
    from ensemble_parse._consensus._polls import Place, Poll

TRIALS: Final = 400
"""How many combinations are tried before the nearest whole candidate is taken."""


State: TypeAlias = "tuple[tuple[int, int], ...]"
"""Which questions are answered in another way, and by which of their other options."""


class Open(NamedTuple):
    """A question that may be answered in another way.

    Attributes:
        least: what it costs at least.
        foreign: whether the validator named other fields.
        place: where it stands.
        others: what each other option costs, the cheapest first, with its number.
    """

    least: float
    foreign: bool
    place: Place
    others: list[tuple[float, int]]


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

    Of equal losses those come first that keep the most of an arbiter's choices, then those that change only what the
    validator named.
    """
    panel = outcome.panel
    depth = len(poll.place)
    open_: list[Open] = []
    for ballot in ballots(poll, outcome):
        start = outcome.chosen(ballot)
        stands = panel.share(outcome.cost(ballot, start))
        name = str(ballot.place[depth]) if len(ballot.place) > depth else ""
        options = (i for i in range(len(ballot.options)) if i != start)
        others = sorted((panel.share(outcome.cost(ballot, i)) - stands, i) for i in options)
        if others:
            open_.append(Open(round(others[0][0], 9), bool(named) and name not in named, ballot.place, others))
    # With the cheapest first, every combination has few that come next, and none of them costs less.
    open_.sort(key=lambda each: (each.least, each.foreign))
    queue: list[tuple[float, int, int, State]] = []

    def push(state: State) -> None:
        if state[-1][0] == len(open_) or state[-1][1] == len(open_[state[-1][0]].others):
            return
        loss = round(sum(open_[at].others[i][0] for at, i in state), 9)
        if loss < bound:
            heapq.heappush(queue, (loss, sum(open_[at].foreign for at, _ in state), len(state), state))

    push(((0, 0),))
    for _ in range(TRIALS):
        if not queue:
            return
        *_, state = heapq.heappop(queue)
        yield {open_[at].place: open_[at].others[i][1] for at, i in state}
        (*rest, (at, i)) = state
        push((*rest, (at, i + 1)))
        push((*state, (at + 1, 0)))
        if i == 0:
            push((*rest, (at + 1, 0)))


def named(error: Exception) -> set[str]:
    """Name the fields that a validator complained of."""
    from pydantic_core import ValidationError

    if not isinstance(error, ValidationError):
        return set()
    return {str(each["loc"][0]) for each in error.errors(include_url=False, include_input=False) if each["loc"]}
