"""What there is to say about one path: what stands there, who says so, who says what else, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ensemble_parse._consensus._data import data
from ensemble_parse._consensus._node import equal
from ensemble_parse._consensus._polls import Agreed, Ballot, Fork, Members, Parts
from ensemble_parse._consensus._search import lost
from ensemble_parse._consensus._values import MISSING, same
from ensemble_parse._models import Dissent, Verdict
from ensemble_parse._rules import MustAgree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ensemble_parse._consensus._cohere import Outcome
    from ensemble_parse._consensus._node import Node
    from ensemble_parse._consensus._polls import Member, Poll, Shared
    from ensemble_parse._consensus._vote import Panel
    from ensemble_parse._models import How


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A verdict, before it is put into words.

    Attributes:
        value: what stands.
        voters: who says the same.
        said: what everybody says who says anything else, or the same in another spelling.
        how: how it was decided.
        margin: the share by which it leads.
        lost: the share of support that was given up.
        likeness: for long texts, how alike the others are.
        must: whether it is undecided for no other reason than that all must agree, and do not.
    """

    value: Any
    voters: Sequence[int]
    said: Mapping[int, Any]
    how: How
    margin: float
    lost: float = 0.0
    likeness: float | None = None
    must: bool = False


class Clerk:
    """Writes the rows of one outcome."""

    def __init__(
        self, outcome: Outcome, panel: Panel, names: Sequence[str], label: How | None, *, must_agree: bool
    ) -> None:
        """Keep what it takes.

        Args:
            outcome: what was made of the polls.
            panel: the weights.
            names: the candidates'.
            label: how a path was decided where the vote alone would not have decided it so; ``None`` for a vote.
            must_agree: whether all that is not unanimous is undecided.
        """
        self.outcome, self.panel, self.names = (outcome, panel, names)
        self.label: How | None = label
        self.must_agree = must_agree

    def verdict(self, row: Row) -> Verdict:
        """Put a row into words."""
        if (
            len(row.voters) == len(self.names) and not row.said and row.value is not MISSING
        ):  # most paths of most answers
            value = data(row.value)
            return Verdict(value=value, agreement=1.0, supporters=tuple(self.names), how=row.how, margin=row.margin)
        rest = [voter for voter in range(len(self.names)) if voter not in row.voters]
        others = [(self.names[voter], row.said.get(voter, MISSING)) for voter in rest]
        return Verdict(
            value=data(row.value),
            agreement=self.panel.weight(row.voters) / self.panel.total,
            supporters=tuple(self.names[voter] for voter in row.voters),
            dissenters=tuple(
                Dissent(name=name, missing=True) if said is MISSING else Dissent(name=name, value=data(said))
                for name, said in others
            ),
            said={
                self.names[voter]: data(row.said[voter])
                for voter in row.voters
                if voter in row.said and not same(row.said[voter], row.value)
            },
            missing=row.value is MISSING,
            how=row.how,
            margin=row.margin,
            lost=row.lost,
            similarity=row.likeness,
        )

    def undecided(self, ballot: Ballot) -> bool:
        """Whether what hangs on a ballot is undecided with it."""
        if self.must_agree or isinstance(ballot.node.rules.get("dissent"), MustAgree):
            return True
        return ballot.standing == "undecided" and ballot.place not in self.outcome.choices and self.label is None

    def without_majority(self, presence: Ballot | None) -> How | None:
        """Say what an item is there by, where no majority has it."""
        if presence is None:
            return None
        if self.undecided(presence):
            return "undecided"
        if self.panel.share(2 * presence.options[self.outcome.chosen(presence)].weight) > 1:
            return None
        if presence.place in self.outcome.choices:
            return "repaired" if presence.place in self.outcome.repaired else "judge"
        return "rule" if presence.standing == "rule" else self.label

    def agreed(self, node: Node, voters: Sequence[int], value: Any, *, doubt: How | None) -> Row:
        """All who have anything to say here say the same."""
        rest = len([voter for voter in voters if voter < len(self.names)]) < len(self.names)
        how: How = doubt or ("majority" if rest else "unanimous")
        weight = self.panel.weight(voters)
        margin = self.panel.share(weight - (self.panel.total - weight if rest else 0.0))
        return self._row(node, value, voters, {}, how, margin=margin)

    def ballot(self, ballot: Ballot, *, doubt: How | None) -> Row:
        """Several things are said."""
        chosen = ballot.options[self.outcome.chosen(ballot)]
        said = dict(zip(ballot.voters, ballot.values, strict=True))
        return self._voted(ballot, chosen.value, chosen.voters, said, doubt=doubt, margin=self._lead(ballot))

    def shared(self, poll: Shared, *, doubt: How | None) -> Row:
        """Several things are said of this and of other parts, and one question decides them all."""
        value = poll.ballot.options[self.outcome.chosen(poll.ballot)].value[poll.at]
        said = {voter: each[poll.at] for voter, each in zip(poll.ballot.voters, poll.ballot.values, strict=True)}
        voters = [voter for voter, each in said.items() if equal(poll.node, each, value)]
        others: dict[Any, list[int]] = {}
        for voter, each in said.items():
            if voter not in voters:
                others.setdefault(poll.node.key(each), []).append(voter)
        rivals = [(said[each[0]], each) for each in others.values()]
        margin = self._ahead(value, voters, rivals, poll.ballot.voters)
        return self._voted(poll.ballot, value, voters, said, doubt=doubt, margin=margin)

    def fork(self, poll: Fork, *, doubt: How | None) -> Row:
        """Values of several types are said."""
        at = self.outcome.chosen(poll.ballot)
        branch = poll.branches[at]
        if isinstance(branch, Ballot):
            return self.ballot(branch, doubt=doubt)
        said = dict(zip(poll.ballot.voters, poll.ballot.values, strict=True))
        voters, margin = poll.ballot.options[at].voters, self._lead(poll.ballot)
        return self._voted(poll.ballot, self.outcome.value(branch), voters, said, doubt=doubt, margin=margin)

    def members(self, poll: Members, *, doubt: How | None) -> Row:
        """Other items are there, or in another order; who has just these, whatever they say of them, says the same."""
        inside = [each for each in poll.members if self.outcome.inside(each.presence)]
        outside = [each for each in poll.members if not self.outcome.inside(each.presence)]
        ordered = poll.ordered
        voters = [
            voter
            for voter in poll.voters
            if all(voter in each.voters for each in inside)
            and not any(voter in each.voters for each in outside)
            and (ordered is None or voter in ordered)
        ]
        presences = [each.presence for each in poll.members if each.presence is not None]
        less = sum(lost(each, self.outcome.chosen(each)) for each in presences if each.standing != "rule")
        margin = min((self._lead(each) for each in presences), default=1.0)
        astray = False
        if ordered is not None:
            lead, astray = self._order(poll)
            margin = min(margin, lead)
        standings = {each.standing for each in presences if each.place not in self.outcome.choices}
        if self.label is None and ("undecided" in standings or astray):
            how: How = "undecided"
        elif self.label is not None and (less or any(each.standing != "majority" for each in presences)):
            how = self.label
        elif len([voter for voter in voters if voter < len(self.names)]) == len(self.names):
            how = "unanimous"
        elif any(each.place in self.outcome.choices for each in presences):
            how = "repaired" if any(each.place in self.outcome.repaired for each in presences) else "judge"
        else:
            how = "rule" if poll.node.rules.get("combine") is not None else "majority"
        said = dict(zip(poll.voters, poll.values, strict=True))
        if doubt == "undecided":
            how = doubt
        return self._row(poll.node, self.outcome.value(poll), voters, said, how, margin=margin, less=less)

    def absent(self, poll: Members, member: Member, *, doubt: How | None) -> Row:
        """An undeclared field is left out: who does not have it says the same."""
        assert member.presence is not None  # noqa: S101 - it is not in
        voters = [voter for voter in poll.voters if voter not in member.voters]
        margin = self._ahead(MISSING, voters, [(True, member.voters)], poll.voters)
        return self._voted(member.presence, MISSING, voters, _sayings(member.poll), doubt=doubt, margin=margin)

    def _order(self, poll: Members) -> tuple[float, bool]:
        """Say by how much this order leads, and whether no majority of those who have anything to order has it."""
        lines = {voter: line for voter, line in poll.lines.items() if len(line) > 1}
        if not lines:
            return 1.0, False
        agree = [voter for voter in poll.ordered or () if voter in lines]
        others: dict[tuple[int, ...], list[int]] = {}
        for voter, line in lines.items():
            if voter not in agree:
                others.setdefault(line, []).append(voter)
        astray = self.panel.share(2 * self.panel.weight(agree)) <= self.panel.share(self.panel.weight(lines))
        return self._ahead(None, agree, others.items(), poll.voters), astray

    def _voted(
        self,
        ballot: Ballot,
        value: Any,
        voters: Iterable[int],
        said: Mapping[int, Any],
        *,
        doubt: How | None,
        margin: float,
    ) -> Row:
        voters = [voter for voter in voters if voter < len(self.names)]
        how: How = ballot.standing
        less = 0.0 if how in ("rule", "ignored") else lost(ballot, self.outcome.chosen(ballot))
        if len(voters) == len(self.names):
            how = "unanimous"
        elif ballot.place in self.outcome.choices:
            how = "repaired" if ballot.place in self.outcome.repaired else "judge"
        elif self.label is not None and (less or how not in ("majority", "rule", "ignored")):
            how = self.label
        elif doubt == "undecided":
            how = doubt
        return self._row(ballot.node, value, voters, said, how, margin=margin, less=less, likeness=ballot.likeness)

    def _lead(self, ballot: Ballot) -> float:
        chosen = ballot.options[self.outcome.chosen(ballot)]
        others = [(each.value, each.voters) for each in ballot.options if each is not chosen]
        return self._ahead(chosen.value, chosen.voters, others, ballot.voters)

    def _ahead(
        self, value: Any, voters: Iterable[int], others: Iterable[tuple[Any, Iterable[int]]], asked: Iterable[int]
    ) -> float:
        # Those who have nothing there at all say one thing, too: the same as those who leave a key out.
        missing = 0.0 if value is MISSING else self.panel.total - self.panel.weight(asked)
        rivals = [0.0]
        for said, each in others:
            weight = self.panel.weight(each)
            if said is MISSING:
                missing += weight
            else:
                rivals.append(weight)
        return self.panel.share(self.panel.weight(voters) - max(*rivals, missing))

    def _row(
        self,
        node: Node,
        value: Any,
        voters: Iterable[int],
        said: Mapping[int, Any],
        how: How,
        *,
        margin: float,
        less: float = 0.0,
        likeness: float | None = None,
    ) -> Row:
        voters = [voter for voter in voters if voter < len(self.names)]
        must = self.must_agree or isinstance(node.rules.get("dissent"), MustAgree)
        must = must and len(voters) < len(self.names) and how not in ("ignored", "repaired")
        if must:
            how = "undecided"
        return Row(
            value=value,
            voters=voters,
            said=said,
            how=how,
            margin=margin,
            lost=self.panel.share(less),
            likeness=likeness,
            must=must,
        )


def _sayings(poll: Poll) -> Mapping[int, Any]:
    """What each voter says, whatever kind of poll it is."""
    if isinstance(poll, Agreed):
        return dict.fromkeys(poll.voters, poll.value)
    if isinstance(poll, Fork):
        poll = poll.ballot
    if isinstance(poll, Parts):
        return {voter: said for voter, (said, _) in zip(poll.voters, poll.rows, strict=True)}
    assert isinstance(poll, Ballot | Members)  # noqa: S101 - a part that shares a question is no member
    return dict(zip(poll.voters, poll.values, strict=True))
