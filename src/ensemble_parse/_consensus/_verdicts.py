"""Who said what: a verdict for every path of an answer, worked out when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ensemble_parse._consensus._cohere import lost
from ensemble_parse._consensus._data import data, leaves
from ensemble_parse._consensus._paths import join
from ensemble_parse._consensus._polls import Agreed, Ballot, Fork, Members, Parts, Shared
from ensemble_parse._consensus._values import MISSING
from ensemble_parse._models import Dissent, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ensemble_parse._consensus._cohere import Outcome
    from ensemble_parse._consensus._polls import Member, Poll
    from ensemble_parse._consensus._vote import Panel
    from ensemble_parse._models import How

LOOK: Final = ("undecided", "plurality", "repaired", "derived")
"""What a person should look at."""

Said: TypeAlias = "tuple[int, Any]"


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
        self._poll, self._outcome, self._panel, self._names = (poll, outcome, panel, names)
        self._label: How | None = label
        self._must_agree = must_agree
        self._made: dict[str, Callable[[], Verdict]] | None = None

    def __getitem__(self, path: str) -> Verdict:
        """Say how one path was decided."""
        verdict = self._index[path]()
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
    def _index(self) -> dict[str, Callable[[], Verdict]]:
        if self._made is None:
            self._made = dict(self._below(self._poll, "", doubt=False))
        return self._made

    def doubtful(self) -> Iterator[tuple[str, Verdict]]:
        """Go through the paths that a person should look at, past those with a majority."""
        for path, make in self._below(self._poll, "", doubt=False, agreed=False):
            verdict = make()
            if verdict.how in LOOK:
                yield path, verdict

    # -- what there is to say -------------------------------------------------------------------------------------

    def _below(  # noqa: C901 - a case for each kind of poll
        self, poll: Poll, path: str, *, doubt: bool, agreed: bool = True
    ) -> Iterator[tuple[str, Callable[[], Verdict]]]:
        """Yield every path with the way to its verdict.

        Args:
            poll: on the value at the path.
            path: its path.
            doubt: whether it is undecided that there is anything here at all.
            agreed: whether to go into what all agree on, too.
        """
        if isinstance(poll, Agreed):
            for below, value in leaves(poll.node, poll.value, path) if agreed else ():
                yield below, partial(self._agreed, poll.voters, value, doubt=doubt)
        elif isinstance(poll, Ballot):
            if (
                agreed
                or doubt
                or self._must_agree
                or poll.standing != "majority"
                or poll.place in self._outcome.choices
            ):
                yield path, partial(self._ballot, poll, doubt=doubt)
        elif isinstance(poll, Shared):
            yield path, partial(self._shared, poll, doubt=doubt)
        elif isinstance(poll, Fork):
            yield path, partial(self._fork, poll, doubt=doubt)
            chosen = self._outcome.chosen(poll.ballot)
            doubt = doubt or self._undecided(poll.ballot)
            for below, verdict in self._below(poll.branches[chosen], path, doubt=doubt, agreed=agreed):
                if below != path:
                    yield below, verdict
        elif isinstance(poll, Members):
            yield path, partial(self._members, poll, path, doubt=doubt)
            for below, member in self._inside(poll, path):
                unsure = doubt or (member.presence is not None and self._undecided(member.presence))
                yield from self._below(member.poll, below, doubt=unsure, agreed=agreed)
        else:
            yield from self._parts(poll, path, doubt=doubt, agreed=agreed)

    def _parts(
        self, poll: Parts, path: str, *, doubt: bool, agreed: bool
    ) -> Iterator[tuple[str, Callable[[], Verdict]]]:
        standing = self._outcome.standing.get(poll.place)
        if standing is not None:
            label: How | None = "repaired" if poll.place in self._outcome.repaired else "derived"
            panel = self._panel.with_given()
            told = Verdicts(
                standing, type(self._outcome)(panel), panel, self._names, label, must_agree=self._must_agree
            )
            yield from told._below(standing, path, doubt=doubt)
            return
        for name, part in poll.parts.items():
            yield from self._below(part, join(path, poll.node.parts[name].step), doubt=doubt, agreed=agreed)

    def _inside(self, poll: Members, path: str) -> Iterator[tuple[str, Member]]:
        inside = [each for each in poll.members if self._outcome.inside(each.presence)]
        for at, member in enumerate(inside):
            yield join(path, at if member.step is None else str(member.step)), member

    def _undecided(self, ballot: Ballot) -> bool:
        return ballot.standing == "undecided" and ballot.place not in self._outcome.choices and self._label is None

    # -- the verdicts ---------------------------------------------------------------------------------------------

    def _agreed(self, voters: tuple[int, ...], value: Any, *, doubt: bool) -> Verdict:
        rest = [(voter, MISSING) for voter in range(len(self._names)) if voter not in voters]
        how: How = "undecided" if doubt else "majority" if rest else "unanimous"
        if not rest:  # most paths of most answers
            return Verdict(value=data(value), agreement=1.0, supporters=tuple(self._names), how=how, margin=1.0)
        weight = self._panel.weight(voters)
        margin = self._panel.share(weight - (self._panel.total - weight if rest else 0.0))
        return self._verdict(value, voters, rest, how, margin=margin)

    def _ballot(self, ballot: Ballot, *, doubt: bool) -> Verdict:
        chosen = ballot.options[self._outcome.chosen(ballot)]
        said = dict(zip(ballot.voters, ballot.values, strict=True))
        others = [(voter, said.get(voter, MISSING)) for voter in range(len(self._names)) if voter not in chosen.voters]
        return self._voted(ballot, chosen.value, chosen.voters, others, doubt=doubt)

    def _shared(self, poll: Shared, *, doubt: bool) -> Verdict:
        value = poll.ballot.options[self._outcome.chosen(poll.ballot)].value[poll.at]
        said = {voter: each[poll.at] for voter, each in zip(poll.ballot.voters, poll.ballot.values, strict=True)}
        key = poll.node.key(value)
        voters = tuple(voter for voter, each in said.items() if poll.node.key(each) == key)
        others = [(voter, said.get(voter, MISSING)) for voter in range(len(self._names)) if voter not in voters]
        return self._voted(poll.ballot, value, voters, others, doubt=doubt)

    def _fork(self, poll: Fork, *, doubt: bool) -> Verdict:
        at = self._outcome.chosen(poll.ballot)
        chosen, branch = poll.ballot.options[at], poll.branches[at]
        said = dict(zip(poll.ballot.voters, poll.ballot.values, strict=True))
        others = [(voter, said.get(voter, MISSING)) for voter in range(len(self._names)) if voter not in chosen.voters]
        value = self._outcome.value(branch)
        if isinstance(branch, Ballot):
            return self._ballot(branch, doubt=doubt)
        return self._voted(poll.ballot, value, chosen.voters, others, doubt=doubt)

    def _members(self, poll: Members, path: str, *, doubt: bool) -> Verdict:
        """Tell who has just these items, whatever they say of them, and which others the rest have and lack."""
        inside = [*self._inside(poll, path)]
        outside = [each for each in poll.members if not self._outcome.inside(each.presence)]
        rest: list[Said] = [(voter, MISSING) for voter in range(len(self._names)) if voter not in poll.voters]
        voters: list[int] = []
        for voter, value in zip(poll.voters, poll.values, strict=True):
            same = all(voter in each.voters for _, each in inside) and not any(voter in each.voters for each in outside)
            if same and (poll.ordered is None or voter in poll.ordered):
                voters.append(voter)
            else:
                rest.append((voter, value))
        presences = [each.presence for each in poll.members if each.presence is not None]
        less = sum(lost(each, self._outcome.chosen(each)) for each in presences if each.standing != "rule")
        if any(map(self._undecided, presences)) or (self._label is None and self._astray(poll)):
            how: How = "undecided"
        elif self._label is not None and (less or any(each.standing != "majority" for each in presences)):
            how = self._label
        elif len(voters) == len(self._names):
            how = "unanimous"
        elif any(each.place in self._outcome.choices for each in presences):
            how = "repaired" if any(each.place in self._outcome.repaired for each in presences) else "judge"
        else:
            how = "rule" if poll.node.rules.get("combine") is not None else "majority"
        margin = min((self._lead(each) for each in presences), default=1.0)
        value = self._outcome.value(poll)
        how = "undecided" if doubt else how
        return self._verdict(value, voters, sorted(rest, key=lambda each: each[0]), how, margin=margin, less=less)

    def _astray(self, poll: Members) -> bool:
        """Whether order counts, and no majority of those who have anything to order has this one."""
        if poll.ordered is None:
            return False
        say = [voter for voter in poll.voters if sum(voter in each.voters for each in poll.members) > 1]
        agree = self._panel.weight(voter for voter in say if voter in poll.ordered)
        return bool(say) and self._panel.share(2 * agree) <= self._panel.share(self._panel.weight(say))

    def _voted(
        self,
        ballot: Ballot,
        value: Any,
        voters: Iterable[int],
        others: list[Said],
        *,
        doubt: bool,
    ) -> Verdict:
        chosen = self._outcome.chosen(ballot)
        how: How = ballot.standing
        less = 0.0 if how in ("rule", "ignored") else lost(ballot, chosen)
        if not others:
            how = "unanimous"
        elif ballot.place in self._outcome.choices:
            how = "repaired" if ballot.place in self._outcome.repaired else "judge"
        elif self._label is not None and (less or how not in ("majority", "rule", "ignored")):
            how = self._label
        elif doubt:
            how = "undecided"
        return self._verdict(value, voters, others, how, margin=self._lead(ballot), less=less, likeness=ballot.likeness)

    def _lead(self, ballot: Ballot) -> float:
        chosen = self._outcome.chosen(ballot)
        rivals = [each.weight for at, each in enumerate(ballot.options) if at != chosen]
        # Those who have nothing there at all say one thing too.
        missing = self._panel.total - self._panel.weight(ballot.voters)
        return self._panel.share(ballot.options[chosen].weight - max(*rivals, missing, 0.0))

    def _verdict(
        self,
        value: Any,
        voters: Iterable[int],
        others: Iterable[Said],
        how: How,
        *,
        margin: float,
        less: float = 0.0,
        likeness: float | None = None,
    ) -> Verdict:
        voters = [voter for voter in voters if voter < len(self._names)]
        if self._must_agree and len(voters) < len(self._names) and how not in ("ignored", "repaired"):
            how = "undecided"
        return Verdict(
            value=data(value),
            agreement=self._panel.weight(voters) / self._panel.total,
            supporters=tuple(self._names[voter] for voter in voters),
            dissenters=tuple(
                Dissent(name=self._names[voter], missing=True)
                if said is MISSING
                else Dissent(name=self._names[voter], value=data(said))
                for voter, said in others
            ),
            how=how,
            margin=margin,
            lost=self._panel.share(less),
            similarity=likeness,
        )
