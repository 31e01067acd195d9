"""What is disputed: the questions an arbiter is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ensemble_parse._consensus._data import data
from ensemble_parse._consensus._node import Table
from ensemble_parse._consensus._paths import entry, join
from ensemble_parse._consensus._polls import Agreed, Ballot, Fork, Members, Shared
from ensemble_parse._rules import AskJudge, MustAgree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ensemble_parse._consensus._cohere import Outcome
    from ensemble_parse._consensus._polls import Place, Poll
    from ensemble_parse._consensus._vote import Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One of the things that candidates say to a disputed question.

    Attributes:
        value: as JSON-like data.
        supporters: names of the candidates that say it.
        share: their weighted share of all candidates.
    """

    value: Any
    supporters: tuple[str, ...]
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """A question on which the candidates have no majority.

    Attributes:
        place: what names it in the choices; it stays the same whatever else is chosen.
        path: where it is in the answer as voted, ``line_items[2].price``; for an item that is left out, its list's
            path.
        about: ``"value"``: which one it is; ``"type"``: of which type it is; ``"item"``: whether it is an item at all,
            answered by ``True`` and ``False``.
        answers: what is said, the vote's winner first; a choice is the place of one of them.
        description: the field's own description, or ``None``.
        item: for ``"item"``: the item, as JSON-like data.
    """

    place: Place
    path: str
    about: Literal["value", "type", "item"]
    answers: tuple[Answer, ...]
    description: str | None = None
    item: Any = None


class Question(NamedTuple):
    """A poll that the answer depends on, with where it is."""

    path: str
    poll: Agreed | Ballot | Members
    about: Literal["value", "type", "item"] = "value"
    description: str | None = None
    shown: Poll | None = None


def questions(poll: Poll, outcome: Outcome, path: str = "", description: str | None = None) -> Iterator[Question]:
    """Go through what the answer depends on as it stands, in its order."""
    if isinstance(poll, Agreed | Ballot):
        yield Question(path, poll, description=description)
    elif isinstance(poll, Shared):
        yield Question(path, poll.ballot, description=description)
    elif isinstance(poll, Fork):
        yield Question(path, poll.ballot, "type", description, poll)
        yield from questions(poll.branches[outcome.chosen(poll.ballot)], outcome, path, description)
    elif isinstance(poll, Members):
        yield Question(path, poll, description=description)
        paths = {id(member): below for below, member in outcome.members(poll, path).items()}
        for member in poll.members:
            bare = isinstance(poll.node, Table) and poll.node.bare
            below = paths.get(id(member), entry(path, member.name) if bare else path)
            if member.presence is not None:
                yield Question(below, member.presence, "item", description, member.poll)
            if id(member) in paths:
                yield from questions(member.poll, outcome, below, description)
    else:
        for name, each in poll.parts.items():
            part = poll.node.parts[name]
            yield from questions(each, outcome, join(path, part.step), part.description or description)


def contests(poll: Poll, outcome: Outcome, panel: Panel, names: Sequence[str]) -> Iterator[Contest]:
    """Yield the questions without a majority, and those whose rule asks the judge."""
    seen: set[Place] = set()
    for path, each, about, description, shown in questions(poll, outcome):
        if not isinstance(each, Ballot) or each.place in seen or not _disputed(each):
            continue
        seen.add(each.place)
        said = [option.value for option in each.options]
        if isinstance(shown, Fork):
            said = [outcome.value(branch) for branch in shown.branches]
        yield Contest(
            place=each.place,
            path=path,
            about=about,
            answers=tuple(
                Answer(
                    value=data(value),
                    supporters=tuple(names[voter] for voter in option.voters),
                    share=panel.share(option.weight),
                )
                for value, option in zip(said, each.options, strict=True)
            ),
            description=description,
            item=data(outcome.value(shown)) if about == "item" and shown is not None else None,
        )


def _disputed(ballot: Ballot) -> bool:
    dissent = ballot.node.rules.get("dissent")
    if isinstance(dissent, MustAgree) or ballot.standing in ("rule", "ignored"):
        return False
    return ballot.standing != "majority" or isinstance(dissent, AskJudge)
