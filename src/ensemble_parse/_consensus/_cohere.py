"""Coherence: from polls to one object that the user's own classes accept.

Every record is made by its own class from what was voted, the innermost first, validators and all. Where a class
refuses, the valid combination of voted values that loses the least support is looked for; a whole candidate, which is
valid as it is, bounds that search and ends it.
"""

from __future__ import annotations

import copy
import heapq
import itertools
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._data import text_of
from ensemble_parse._consensus._merge import survey
from ensemble_parse._consensus._node import Collected
from ensemble_parse._consensus._paths import entry, join
from ensemble_parse._consensus._polls import Agreed, Ballot, Fork, Members, Parts, Shared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ensemble_parse._consensus._polls import Member, Place, Poll
    from ensemble_parse._consensus._vote import Panel

TRIALS: Final = 400
"""How many combinations are tried before the nearest whole candidate is taken."""


class Refused(Exception):
    """A class does not accept what was put together for it."""


class Outcome:
    """What the polls come to.

    Attributes:
        panel: who votes.
        choices: the option chosen where it is not the winner, by the ballot's place.
        repaired: the places among them that coherence chose.
        standing: polls that account for a value which is nobody's blend: a whole candidate's, or what a class made of
            it.
    """

    def __init__(self, panel: Panel, choices: Mapping[Place, int] | None = None, *, trial: bool = False) -> None:
        """Begin with what is chosen already."""
        self.choices = dict(choices or {})
        self.repaired: set[Place] = set()
        self.standing: dict[Place, Poll] = {}
        self._taken: dict[Place, Any] = {}
        self.panel = panel
        self._trial = trial

    def chosen(self, ballot: Ballot) -> int:
        """Say which option of a ballot stands."""
        return self.choices.get(ballot.place, 0)

    def value(self, poll: Poll) -> Any:
        """Make the value.

        Raises:
            Refused: in a trial, a class does not accept it.
        """
        if isinstance(poll, Agreed):
            return poll.value
        if isinstance(poll, Ballot):
            return poll.options[self.chosen(poll)].value
        if isinstance(poll, Shared):
            return poll.ballot.options[self.chosen(poll.ballot)].value[poll.at]
        if isinstance(poll, Fork):
            return self.value(poll.branches[self.chosen(poll.ballot)])
        if isinstance(poll, Members):
            return self._members(poll)
        return self._record(poll)

    def inside(self, presence: Ballot | None) -> bool:
        """Whether an item is one."""
        return presence is None or bool(presence.options[self.chosen(presence)].value)

    def members(self, poll: Members, path: str) -> dict[str, Member]:
        """Take the items that are in, by their paths and in the order of them."""
        inside = [each for each in poll.members if self.inside(each.presence)]
        if poll.node.kind == "set":
            inside.sort(key=lambda each: text_of(self.value(each.poll)))
        return {
            join(path, at) if each.name is values.MISSING else entry(path, each.name): each
            for at, each in enumerate(inside)
        }

    def _members(self, poll: Members) -> Any:
        inside = [each for each in poll.members if self.inside(each.presence)]
        like = poll.values[0]
        if not isinstance(poll.node, Collected):
            made = {each.name: self.value(each.poll) for each in inside}
            if type(like) is dict or not isinstance(like, dict):
                return made
            same = cast("dict[Any, Any]", copy.copy(like))  # an OrderedDict, a Counter, a defaultdict with its factory
            same.clear()
            same.update(made)
            return same
        items = [self.value(each.poll) for each in inside]
        kind = cast("Any", type(like))
        if isinstance(like, deque):
            return kind(items, like.maxlen)
        return items if kind is list else kind(items)

    def _record(self, poll: Parts) -> Any:
        if poll.place in self._taken:
            return self._taken[poll.place]
        parts = {name: self.value(each) for name, each in poll.parts.items()}
        whole = self._whole(poll, parts)
        if whole is not None:
            return whole
        try:
            return self._made(poll, parts)
        except Exception as error:
            if self._trial:
                raise Refused from error
            return self._repaired(poll, error)

    def _whole(self, poll: Parts, parts: Mapping[str | int, Any]) -> Any:
        """Find the candidate whose object this is already."""
        for _, (said, row) in sorted(
            zip(poll.voters, poll.rows, strict=True), key=lambda each: self.panel.ranks[each[0]]
        ):
            if all(values.same(a, b) for a, b in zip(parts.values(), row, strict=True)):
                return said
        return None

    def _made(self, poll: Parts, parts: Mapping[str | int, Any]) -> Any:
        node = poll.node
        made = node.make(parts)
        keys = [each.node.key for each in node.parts.values()]
        read = node.read(made)
        if not _alike(keys, parts.values(), read):
            # The class writes values of its own; they must be its last word.
            again = node.read(node.make(dict(zip(node.parts, read, strict=True))))
            if not _alike(keys, read, again):
                message = "validating it changes it each time"
                raise ValueError(message)
            if not self._trial:
                self._stand(poll, made)
        self._unset(poll, parts, made)
        return made

    def _unset(self, poll: Parts, parts: Mapping[str | int, Any], made: Any) -> None:
        """Let a default that nobody wrote stay unwritten."""
        names = poll.node.given(made)
        if names is None:
            return
        wrote = [poll.node.given(said) or set() for said, _ in poll.rows]
        for at, (name, value) in enumerate(parts.items()):
            backed = [each for each, (_, row) in zip(wrote, poll.rows, strict=True) if values.same(row[at], value)]
            if backed and not any(name in each for each in backed):
                names.discard(str(name))

    def _stand(self, poll: Parts, value: Any) -> None:
        panel = self.panel.with_given()
        voters = (*poll.voters, len(self.panel.weights))
        self.standing[poll.place] = survey(
            poll.node, panel, voters, [*(said for said, _ in poll.rows), value], poll.place
        )

    # -- repair ---------------------------------------------------------------------------------------------------

    def _repaired(self, poll: Parts, error: Exception) -> Any:
        nearest, bound = self._nearest(poll)
        for changed in _combinations(poll, self, _named(error), bound):
            trial = Outcome(self.panel, self.choices | changed, trial=True)
            trial._taken = self._taken
            try:
                trial.value(poll)
            except Refused:
                continue
            self.choices |= changed
            self.repaired |= changed.keys()
            return self.value(poll)
        # Whatever was chosen further down belongs to a blend that does not stand.
        below = len(poll.place)
        for place in [place for place in self.standing if place[:below] == poll.place]:
            del self.standing[place]
        self._stand(poll, nearest)
        self._taken[poll.place] = nearest
        self.repaired.add(poll.place)
        return nearest

    def _nearest(self, poll: Parts) -> tuple[Any, float]:
        """Find the whole candidate that loses the least support."""
        losses = [self.panel.share(self._loss(poll, voter)) for voter in poll.voters]
        at = min(range(len(losses)), key=lambda i: (losses[i], self.panel.ranks[poll.voters[i]]))
        return poll.rows[at][0], losses[at]

    def _loss(self, poll: Poll, voter: int) -> float:
        """Add up the support that is lost if all is as one voter says."""
        if isinstance(poll, Agreed):
            return 0.0
        if isinstance(poll, Ballot):
            return lost(poll, next((i for i, each in enumerate(poll.options) if voter in each.voters), -1))
        if isinstance(poll, Shared):
            # Counted once, with the first of the parts that share it.
            return self._loss(poll.ballot, voter) if poll.at == 0 else 0.0
        if isinstance(poll, Fork):
            own = next(i for i, each in enumerate(poll.ballot.options) if voter in each.voters)
            return lost(poll.ballot, own) + self._loss(poll.branches[own], voter)
        if isinstance(poll, Members):
            presence = sum(self._loss(each.presence, voter) for each in poll.members if each.presence is not None)
            return presence + sum(self._loss(each.poll, voter) for each in poll.members if voter in each.voters)
        return sum(self._loss(each, voter) for each in poll.parts.values())


def _alike(keys: Sequence[values.Key], left: Iterable[Any], right: Iterable[Any]) -> bool:
    return all(values.same(a, b) or key(a) == key(b) for key, a, b in zip(keys, left, right, strict=True))


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


def _combinations(poll: Parts, outcome: Outcome, named: set[str], bound: float) -> Iterator[dict[Place, int]]:
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


def _named(error: Exception) -> set[str]:
    from pydantic_core import ValidationError

    if not isinstance(error, ValidationError):
        return set()
    return {str(each["loc"][0]) for each in error.errors(include_url=False, include_input=False) if each["loc"]}
