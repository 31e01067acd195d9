"""What a survey of the candidates finds: a tree of polls, as deep as the candidates differ and no deeper."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ensemble_parse._consensus._node import Collected
from ensemble_parse._consensus._values import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ensemble_parse._consensus._nearness import Near
    from ensemble_parse._consensus._node import Node, Record, Table, Union
    from ensemble_parse._consensus._vote import Option

Place: TypeAlias = "tuple[object, ...]"
"""Where a poll stands in the survey; unlike a path it stays the same whatever is chosen."""

Standing: TypeAlias = Literal["unanimous", "majority", "plurality", "undecided", "rule", "similarity", "ignored"]


@dataclass(frozen=True, slots=True)
class Agreed:
    """All who have this value have the same, down to the spelling.

    Attributes:
        node: its type.
        voters: who has it.
        value: it.
    """

    node: Node
    voters: tuple[int, ...]
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Ballot:
    """A question to which there are several answers.

    Attributes:
        node: the type of the answers.
        place: where it stands.
        voters: who was asked: all who have what contains it.
        values: what each says, in the order of the voters.
        options: what is said, the winner first.
        standing: how the winner won.
        likeness: for long texts, how alike the others are to the winner's on average, from 0 to 1.
        near: compares two of the values part by part; ``None``: then they are equal or differ.
    """

    node: Node
    place: Place
    voters: tuple[int, ...]
    values: Sequence[Any]
    options: Sequence[Option]
    standing: Standing
    likeness: float | None = None
    near: Near | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """A part that is decided together with others.

    Attributes:
        node: its type.
        ballot: the common question, whose answers are tuples.
        at: which of the tuple's values this is.
    """

    node: Node
    ballot: Ballot
    at: int


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A record whose parts differ.

    Attributes:
        rows: for every voter, its object and the values of the parts.
        parts: a poll for every part, by name.
    """

    node: Record
    place: Place
    voters: tuple[int, ...]
    rows: Sequence[tuple[Any, Sequence[Any]]]
    parts: dict[str | int, Poll]


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """An item that some or all have.

    Attributes:
        voters: who has it.
        poll: what it is.
        presence: whether it is one at all, ``True`` or ``False``; ``None`` where all have it.
        name: its key in a dict; ``MISSING`` for an item of a list or set.
    """

    voters: tuple[int, ...]
    poll: Poll
    presence: Ballot | None
    name: Any = MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """A list, set or dict whose items differ.

    Attributes:
        values: what each voter says.
        members: every item that anybody has, in order.
        lines: for each voter the numbers of its members in its own order; empty for a dict.
    """

    node: Collected | Table
    place: Place
    voters: tuple[int, ...]
    values: Sequence[Any]
    members: Sequence[Member]
    lines: Mapping[int, tuple[int, ...]]

    @property
    def in_line(self) -> tuple[int, ...]:
        """The voters whose items stand in this order."""
        return tuple(voter for voter, line in self.lines.items() if list(line) == sorted(line))

    @property
    def ordered(self) -> tuple[int, ...] | None:
        """The voters in line where order counts; ``None`` where it does not."""
        return self.in_line if isinstance(self.node, Collected) and self.node.ordered else None


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """A choice of types on which candidates differ.

    Attributes:
        ballot: the question; its options are nodes.
        branches: what those say who chose an option, in the order of the options.
    """

    node: Union
    ballot: Ballot
    branches: Sequence[Poll] = field(default=())


Poll: TypeAlias = "Agreed | Ballot | Shared | Parts | Members | Fork"
