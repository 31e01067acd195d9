"""Who said what: a verdict for every path of an answer, worked out when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ensemble_parse._consensus._data import leaves
from ensemble_parse._consensus._merge import DEEP, survey
from ensemble_parse._consensus._node import Collected, Table
from ensemble_parse._consensus._paths import entry, join
from ensemble_parse._consensus._polls import Agreed, Ballot, Fork, Members, Parts, Shared
from ensemble_parse._consensus._rows import Clerk, Row
from ensemble_parse._models import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ensemble_parse._consensus._cohere import Outcome
    from ensemble_parse._consensus._polls import Poll
    from ensemble_parse._consensus._vote import Panel
    from ensemble_parse._models import How

LOOK: Final = ("undecided", "plurality", "repaired", "derived", "chosen")
"""What a person should look at."""

Rows: TypeAlias = "Iterator[tuple[str, Callable[[], Row]]]"
"""Every path with the way to what there is to say about it."""


class Verdicts(Mapping[str, Verdict]):
    """The verdicts of one answer, by path, in the order of the answer.

    Every value without parts has one; so has every list, set and dict, about which items it has, and every choice of
    types. Items of a set are numbered in the order of their text.
    """

    def __init__(
        self,
        poll: Poll,
        outcome: Outcome,
        panel: Panel,
        names: Sequence[str],
        label: How | None = None,
        *,
        must_agree: bool = False,
        chances: Callable[[], Mapping[str, float | None]] | None = None,
    ) -> None:
        """Keep what it takes; nothing is worked out yet.

        Args:
            poll: what the candidates say.
            outcome: what was made of it.
            panel: their weights.
            names: their names.
            label: how a path was decided where the vote alone would not have decided it so; ``None`` for a vote.
            must_agree: whether all that is not unanimous is undecided.
            chances: how likely each path is right, where that was learned.
        """
        self._chances = chances
        self._poll, self._outcome, self._panel = (poll, outcome, panel)
        self._clerk = Clerk(outcome, panel, names, label, must_agree=must_agree)
        self._made: dict[str, Callable[[], Row]] | None = None

    def __getitem__(self, path: str) -> Verdict:
        """Say how one path was decided."""
        verdict = self._clerk.verdict(self._index[path]())
        return replace(verdict, probability=self._chances().get(path)) if self._chances else verdict

    def __iter__(self) -> Iterator[str]:
        """Go through the paths."""
        return iter(self._index)

    def __len__(self) -> int:
        """Count the paths."""
        return len(self._index)

    def __repr__(self) -> str:
        """Show them as the dict that they stand for."""
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what they say, not what they were worked out from."""
        return dict, (dict(self),)

    @property
    def _index(self) -> dict[str, Callable[[], Row]]:
        if self._made is None:
            self._made = dict(self._below(self._poll, "", doubt=None))
        return self._made

    def doubtful(self) -> Iterator[tuple[str, Row]]:
        """Go through the paths that a person should look at, past those with a majority."""
        for path, make in self._below(self._poll, "", doubt=None, agreed=False):
            row = make()
            if row.how in LOOK:
                yield path, row

    def _below(  # noqa: C901 - a case for each kind of poll
        self, poll: Poll, path: str, *, doubt: How | None, agreed: bool = True
    ) -> Rows:
        """Yield every path of a poll.

        Args:
            poll: on the value at the path.
            path: its path.
            doubt: what it is by that there is anything here at all, where it is not by a majority.
            agreed: whether to go into what all agree on, too.
        """
        if isinstance(poll, Agreed):
            # Where some have nothing here, that may be too few who agree.
            if agreed or (not doubt and len(poll.voters) < len(self._clerk.names)):
                for below, node, value in leaves(poll.node, poll.value, path):
                    yield below, partial(self._clerk.agreed, node, poll.voters, value, doubt=doubt)
        elif isinstance(poll, Ballot):
            firm = poll.standing == "majority" and poll.place not in self._outcome.choices
            if agreed or doubt or self._clerk.must_agree or not firm:
                yield path, partial(self._clerk.ballot, poll, doubt=doubt)
            if agreed and isinstance(poll.node, Collected | Table) and not poll.node.whole and len(poll.place) <= DEEP:
                yield from self._collection(poll, path, doubt=doubt)
        elif isinstance(poll, Shared):
            yield path, partial(self._clerk.shared, poll, doubt=doubt)
        elif isinstance(poll, Fork):
            yield path, partial(self._clerk.fork, poll, doubt=doubt)
            chosen = self._outcome.chosen(poll.ballot)
            doubt = doubt or ("undecided" if self._clerk.undecided(poll.ballot) else None)
            for below, verdict in self._below(poll.branches[chosen], path, doubt=doubt, agreed=agreed):
                if below != path:
                    yield below, verdict
        elif isinstance(poll, Members):
            yield from self._members(poll, path, doubt=doubt, agreed=agreed)
        else:
            yield from self._parts(poll, path, doubt=doubt, agreed=agreed)

    def _members(self, poll: Members, path: str, *, doubt: How | None, agreed: bool) -> Rows:
        bare = isinstance(poll.node, Table) and poll.node.bare
        if not bare:
            yield path, partial(self._clerk.members, poll, doubt=doubt)
        paths = {id(member): below for below, member in self._outcome.members(poll, path).items()}
        for member in poll.members if bare else self._outcome.members(poll, path).values():
            unsure = doubt or self._clerk.without_majority(member.presence)
            below = paths.get(id(member))
            if below is not None:
                # A list says at its own path which items are in doubt; a field by itself has to.
                yield from self._below(
                    member.poll, below, doubt=unsure, agreed=agreed or (bare and unsure == "undecided")
                )
            else:
                below = entry(path, member.name)
                yield below, partial(self._clerk.absent, poll, member, doubt=unsure)

    def _collection(self, poll: Ballot, path: str, *, doubt: How | None) -> Rows:
        """Go into a collection that was voted upon as it stands, because no item of any had enough."""
        row = self._clerk.ballot(poll, doubt=doubt)
        panel = self._panel.with_given()
        standing = survey(
            poll.node, panel, (*poll.voters, len(self._panel.weights)), [*poll.values, row.value], poll.place
        )
        unsure = row.how if row.how == "undecided" else None
        for below, each in self._account(standing, path, panel, None if unsure else row.how, doubt=unsure):
            if below != path:
                yield below, each

    def _parts(self, poll: Parts, path: str, *, doubt: How | None, agreed: bool) -> Rows:
        standing = self._outcome.standing.get(poll.place)
        if standing is not None:
            label: How = "repaired" if poll.place in self._outcome.repaired else "derived"
            yield from self._account(standing, path, self._panel.with_given(), label, doubt=doubt)
            return
        for name, part in poll.parts.items():
            yield from self._below(part, join(path, poll.node.parts[name].step), doubt=doubt, agreed=agreed)

    def _account(self, standing: Poll, path: str, panel: Panel, label: How | None, *, doubt: How | None) -> Rows:
        """Go into a value that is nobody's blend."""
        outcome = type(self._outcome)(panel)
        told = Verdicts(standing, outcome, panel, self._clerk.names, label, must_agree=self._clerk.must_agree)
        return told._below(standing, path, doubt=doubt)
