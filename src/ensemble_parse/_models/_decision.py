"""What each said, and how one answer came of it."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - Pydantic reads the verdicts' annotations
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

How: TypeAlias = Literal[
    "unanimous",
    "majority",
    "plurality",
    "undecided",
    "rule",
    "similarity",
    "ignored",
    "judge",
    "chosen",
    "repaired",
    "derived",
]
ReasonKind: TypeAlias = Literal[
    "processor failed",
    "judge failed",
    "undecided",
    "repaired",
    "price unknown",
    "deadline",
    "dropped parameter",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Generic[T_co]):
    """One processor's typed answer to one request.

    Attributes:
        name: the candidate's own name: the processor's, with the number of the sample where there are several.
        processor: the processor's name.
        position: the processor's place in the order of trust, from 0.
        sample: which of the processor's ``n`` samples this is, from 0.
        model: the model string that was asked for.
        output: the answer, in the caller's own type.
        weight: the processor's weight.
        reasoning: what the model wrote before its answer, with ``pass_reasoning``.
        text: the answer as the model wrote it.
        repaired: whether fences, prose or trailing commas had to be taken off to read it.
        seconds: from the start of the call until this answer was there.
    """

    name: str
    processor: str
    position: int
    model: str
    output: T_co
    sample: int = 0
    weight: float = 1.0
    reasoning: str | None = None
    text: str = field(default="", repr=False)
    repaired: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dissent:
    """What a candidate says that does not support a value.

    Attributes:
        name: the candidate's name.
        value: what it says, as JSON-like data; ``None`` where it is missing.
        missing: whether the candidate has no such path at all.
    """

    name: str
    value: Any = None
    missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one path of the answer was decided, and how it stands among the candidates.

    ``how`` is one of

    * ``unanimous``: all candidates say so;
    * ``majority``: more than half of those that have such a path do, by weight;
    * ``plurality``: fewer, but more than say anything else;
    * ``undecided``: nothing leads, or a rule asks for more than there is; the most trusted of what leads stands. Also
      records that a minority lists, beside lists that stopped at the first;
    * ``rule``: a rule made it of what they say;
    * ``similarity``: a long text that nobody repeats; the most trusted candidate's stands, see ``similarity``;
    * ``ignored``: it is no matter of agreement; the most trusted candidate's stands;
    * ``judge``: a judge chose it;
    * ``chosen``: another decision maker did, against or without a majority;
    * ``repaired``: what was voted is not valid together, and this is what gave way;
    * ``derived``: the class itself wrote it while it validated the rest.

    Attributes:
        value: the value at the path, as JSON-like data.
        agreement: weighted share of the candidates that say the same, from 0 to 1. Of a list or dict they say the same
            if they have the same items; what they say of each item is told at its own path.
        supporters: names of the candidates that say the same.
        dissenters: what each of the other candidates says.
        said: by name, what a supporter says where it is not just the value: ``"ACME Limited"`` for ``"ACME Ltd"``,
            104.0 for 100.0 within a tolerance, the same items in another order or with other details. Mostly empty.
        missing: whether it was decided that there is no such path: an optional key of a ``TypedDict``, or an undeclared
            field, that is left out.
        how: how it was decided.
        margin: the weighted share by which it leads what comes next; negative where something else has more support.
        lost: the weighted share of support that was given up against the vote's winner.
        similarity: for long texts, how alike the others are on average, from 0 to 1; else ``None``.
        probability: how likely the value is right, with all that contains it, from 0 to 1, going by who says so and
            who says what else; ``None`` without learned weights, and where no candidate says so.
    """

    value: Any
    agreement: float
    supporters: tuple[str, ...]
    dissenters: tuple[Dissent, ...] = ()
    how: How = "chosen"
    margin: float = 0.0
    lost: float = 0.0
    similarity: float | None = None
    said: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    missing: bool = False
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that makes a result ``degraded``.

    Attributes:
        kind: ``"processor failed"``, ``"judge failed"``, ``"undecided"``, ``"repaired"``, ``"price unknown"``,
            ``"deadline"`` or ``"dropped parameter"``.
        detail: to whom, and why.
        processor: the processor or judge that it is about, or ``None``.
    """

    kind: ReasonKind
    detail: str
    processor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Decision(Generic[T_co]):
    """The chosen object, and how it was chosen.

    Attributes:
        output: the object.
        method: ``"unanimous"``, ``"only one"``, ``"vote"``, ``"medoid"``, ``"first"``, ``"selected"``,
            ``"synthesized"``, or a word of a user's own decision maker.
        candidate: the candidate that it is, or ``None`` where it is nobody's.
        by: who decided: a judge's name, or ``None``.
        explanation: the judge's reason, or ``None``.
        seed: what the order was shuffled with in which the judge saw the candidates, or ``None``.
        reasons: what makes the decision less than it should be.
        verdicts: how every path of the output was decided and stands among the candidates.
        review: the paths that a person should look at: undecided, without a majority, repaired. Where it is undecided
            which items a list has, the list stands for them.
        names: the candidates' names, in order.
        response_format: what the output had to be.
    """

    output: T_co
    method: str
    candidate: Candidate[T_co] | None = None
    by: str | None = None
    explanation: str | None = None
    seed: int | None = None
    reasons: tuple[Reason, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict[str, Verdict])
    review: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    response_format: Any = field(default=None, compare=False)

    def __repr__(self) -> str:
        """Show the answer and what is doubtful about it; the verdicts are as long as the answer."""
        by = f", by={self.by!r}" if self.by else ""
        return f"Decision(output={self.output!r}, method={self.method!r}{by}, review={list(self.review)!r})"

    def to_dict(self) -> dict[str, Any]:
        """Write everything as JSON-like data.

        JSON cannot hold every answer: not a secret, a field that is never dumped, a date where a text may stand, or
        what a validator makes anew each time. Such a one is written as near as can be, and not read again. What is no
        number (NaN) is read again and, as ever, not equal to itself.

        Examples:
            >>> from ensemble_parse import Decision, consensus
            >>> decision = consensus([3, 3, 4])
            >>> Decision.from_dict(decision.to_dict(), int) == decision
            True
        """
        from ensemble_parse._stored import decision_to_dict

        return decision_to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], response_format: type[R]) -> Decision[R]:
        """Read what ``to_dict`` wrote.

        Args:
            data: the stored decision.
            response_format: the type of the output.

        Raises:
            ConfigurationError: it was written by another version, has lost a part, or JSON could not hold its output.
            ValidationError: the output is none of this type.
        """
        from ensemble_parse._stored import decision_from_dict

        return decision_from_dict(data, response_format)

    def __rich__(self) -> Table:
        """Show who said what as a table; ``rich.print(decision)``."""
        from ensemble_parse._show import decision_table

        return decision_table(self)

    def _repr_html_(self) -> str:
        """Show who said what in a notebook; everything that models wrote is escaped."""
        from ensemble_parse._show import decision_html

        return decision_html(self)
