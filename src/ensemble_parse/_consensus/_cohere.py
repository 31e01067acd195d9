"""Coherence: from polls to one object that the user's own classes accept.

Every record is made by its own class from what was voted, the innermost first, validators and all. Where a class
refuses, the valid combination of voted values that loses the least support is looked for; a whole candidate, which is
valid as it is, bounds that search and ends it.
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, cast

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._data import text_of
from ensemble_parse._consensus._merge import survey
from ensemble_parse._consensus._node import Collected
from ensemble_parse._consensus._paths import entry, join
from ensemble_parse._consensus._polls import Agreed, Ballot, Fork, Members, Parts, Shared
from ensemble_parse._consensus._search import combinations, lost, named
from ensemble_parse._errors import DecisionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ensemble_parse._consensus._polls import Member, Place, Poll
    from ensemble_parse._consensus._vote import Panel

_CHOSEN: Final = 1e-6
"""What it costs to give up a choice of an arbiter's, as a share of all: less than any vote, and more than nothing."""


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
        self._built: dict[Place, Any] = {}
        self._afresh: frozenset[Place] = frozenset()
        self.panel = panel
        self._trial = trial

    def chosen(self, ballot: Ballot) -> int:
        """Say which option of a ballot stands.

        Raises:
            DecisionError: the choice is none of them.
        """
        chosen: Any = self.choices.get(ballot.place, 0)  # an arbiter's own
        if not (isinstance(chosen, int) and 0 <= chosen < len(ballot.options)):
            message = f"choice {chosen!r}: there are {len(ballot.options)} answers, numbered from 0"
            raise DecisionError(message)
        return int(chosen)

    def cost(self, ballot: Ballot, option: int) -> float:
        """Say what weight is given up by an option; none by what an arbiter chose, however few say it."""
        if ballot.place not in self.choices or ballot.place in self.repaired:
            return lost(ballot, option)
        if option == self.chosen(ballot):
            return 0.0
        return lost(ballot, option) + _CHOSEN * self.panel.total

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
            same = copy.copy(cast("dict[Any, Any]", like))  # an OrderedDict, a Counter, a defaultdict with its factory
            same.clear()
            same.update(made)
            return same
        items = [self.value(each.poll) for each in inside]
        self._part(poll, inside, items)
        kind = cast("Any", type(like))
        if isinstance(like, deque):
            return kind(items, like.maxlen)
        return items if kind is list else kind(items)

    def _part(self, poll: Members, inside: Sequence[Member], items: list[Any]) -> None:
        """Take a candidate's own item where a blend of several is an item that is there already."""
        blends = [
            (at, member.poll)
            for at, member in enumerate(inside)
            if isinstance(member.poll, Parts) and not any(items[at] is said for said, _ in member.poll.rows)
        ]
        if not blends or poll.node.kind == "set":
            return
        key = poll.node.item.key
        count = Counter(map(key, items))
        if all(count[key(items[at])] == 1 for at, _ in blends):
            return
        said = [Counter(map(key, each)) for each in poll.values]
        for at, parts in blends:
            blend = key(items[at])
            if count[blend] <= max(each[blend] for each in said):
                continue
            rows = sorted(zip(parts.voters, parts.rows, strict=True), key=lambda each: self.panel.ranks[each[0]])
            for _, (own, _) in rows:
                other = key(own)
                if count[other] < max(each[other] for each in said):
                    count[blend] -= 1
                    count[other] += 1
                    items[at] = own
                    if not self._trial:
                        self._take(parts, own)
                    break

    def _record(self, poll: Parts) -> Any:
        if poll.place in self._taken:
            return self._taken[poll.place]
        if poll.place in self._built and poll.place not in self._afresh:
            return self._built[poll.place]
        made = self._assembled(poll)
        if not self._trial:
            self._built[poll.place] = made
        return made

    def _assembled(self, poll: Parts) -> Any:
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
        for changed in combinations(poll, self, named(error), bound):
            trial = Outcome(self.panel, self.choices | changed, trial=True)
            # What a change is no part of stays as it was made.
            trial._taken, trial._built = self._taken, self._built
            trial._afresh = frozenset(place[:depth] for place in changed for depth in range(len(place)))
            try:
                trial.value(poll)
            except Refused:
                continue
            self.choices |= changed
            self.repaired |= changed.keys()
            for place in trial._afresh:
                self._built.pop(place, None)
            return self._assembled(poll)
        self._take(poll, nearest)
        return nearest

    def _take(self, poll: Parts, whole: Any) -> None:
        """Let one candidate's object stand for a blend."""
        # Whatever was chosen further down belongs to a blend that does not stand.
        below = len(poll.place)
        for place in [place for place in self.standing if place[:below] == poll.place]:
            del self.standing[place]
        self._stand(poll, whole)
        self._taken[poll.place] = whole
        self.repaired.add(poll.place)

    def _nearest(self, poll: Parts) -> tuple[Any, float]:
        """Find the whole candidate that gives up the least."""
        losses = [self.panel.share(self._loss(poll, voter)) for voter in poll.voters]
        at = min(range(len(losses)), key=lambda i: (losses[i], self.panel.ranks[poll.voters[i]]))
        return poll.rows[at][0], losses[at]

    def _loss(self, poll: Poll, voter: int) -> float:
        """Add up what is given up if all is as one voter says."""
        if isinstance(poll, Agreed):
            return 0.0
        if isinstance(poll, Ballot):
            return self.cost(poll, next((i for i, each in enumerate(poll.options) if voter in each.voters), -1))
        if isinstance(poll, Shared):
            # Counted once, with the first of the parts that share it.
            return self._loss(poll.ballot, voter) if poll.at == 0 else 0.0
        if isinstance(poll, Fork):
            own = next(i for i, each in enumerate(poll.ballot.options) if voter in each.voters)
            return self.cost(poll.ballot, own) + self._loss(poll.branches[own], voter)
        if isinstance(poll, Members):
            presence = sum(self._loss(each.presence, voter) for each in poll.members if each.presence is not None)
            return presence + sum(self._loss(each.poll, voter) for each in poll.members if voter in each.voters)
        return sum(self._loss(each, voter) for each in poll.parts.values())


def _alike(keys: Sequence[values.Key], left: Iterable[Any], right: Iterable[Any]) -> bool:
    return all(values.same(a, b) or key(a) == key(b) for key, a, b in zip(keys, left, right, strict=True))
