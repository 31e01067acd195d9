"""The nouns, in the order in which one call meets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rich.table import Table

    from ensemble_parse._budget import Budget
    from ensemble_parse._decision import DecisionMaker
    from ensemble_parse._errors import ProcessorError
    from ensemble_parse._format import ResponseFormat

T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

Message: TypeAlias = "Mapping[str, Any]"
Messages: TypeAlias = "str | Sequence[Message]"
Mode: TypeAlias = Literal["auto", "json_schema", "tools", "json", "md_json"]
Status: TypeAlias = Literal["complete", "degraded"]
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
Pace: TypeAlias = Literal["parallel", "hedged", "thrifty"]
EventKind: TypeAlias = Literal["asked", "retried", "answered", "failed", "settled", "cancelled", "decided"]
ReasonKind: TypeAlias = Literal[
    "processor failed",
    "judge failed",
    "undecided",
    "repaired",
    "price unknown",
    "deadline",
    "dropped parameter",
]


# Where a request goes and who pays for it: never dropped because a vendor's error names it, and the judge's, too.
TRANSPORT: Final = frozenset(
    {
        "api_base",
        "api_key",
        "api_version",
        "base_url",
        "default_headers",
        "deployment_id",
        "extra_headers",
        "organization",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """What the caller asked, checked.

    Attributes:
        messages: the conversation, in OpenAI's message format, exactly as it was given.
        format: what an answer must be.
        examples: few-shot turns; each item is the user's and the assistant's message of one example.
        params: model parameters for every processor; a processor's own win.
        model: the model of processors that name none.
        deadline: event-loop time by which the call must be over, or ``None``.
        strict: whether a parameter that a vendor does not take is an error instead of being dropped.
        budgets: what may be spent.
        tell: takes what happens meanwhile.
    """

    messages: tuple[Message, ...]
    format: ResponseFormat[T]
    examples: tuple[tuple[Message, Message], ...] = ()
    shuffle_examples: bool = True
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)  # keys are among them
    model: str | None = None
    deadline: float | None = None
    strict: bool = False
    budgets: tuple[Budget, ...] = ()
    tell: Callable[[Event], None] = field(default=lambda _: None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened during a call.

    ``kind`` is one of

    * ``asked``: a processor is asked;
    * ``retried``: it is asked again, because of ``error``;
    * ``answered``: it gave ``candidate``;
    * ``failed``: it gave none, because of ``error``;
    * ``settled``: what those who have not answered may say makes no difference any more;
    * ``cancelled``: a processor that had not answered was cut off;
    * ``decided``: ``result`` is there; the last event.

    Attributes:
        kind: what happened.
        seconds: since the call began.
        processor: the processor or judge that it is about, or ``None``.
        candidate: of ``answered``.
        error: of ``retried`` and ``failed``.
        result: of ``decided``.
    """

    kind: EventKind
    seconds: float = 0.0
    processor: str | None = None
    candidate: Candidate[Any] | None = None
    error: ProcessorError | None = None
    result: Result[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens, summed over requests.

    Attributes:
        input_tokens: tokens of the prompts.
        output_tokens: tokens of the answers, reasoning tokens included.
        cached_tokens: the part of ``input_tokens`` that came from the vendor's prompt cache.
        reasoning_tokens: the part of ``output_tokens`` that was hidden reasoning.
        requests: how many requests were sent.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Sum the two."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            requests=self.requests + other.requests,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to one model, whatever came of it: a line of the ledger.

    Attributes:
        processor: who asked.
        model: the model string that was asked for.
        seconds: from sending to the last byte, or to giving up.
        usage: tokens that the vendor reported; zero where it reported none.
        cost: US dollars; ``None`` where the price is unknown, also for a request that was cut off.
        error: the class name of what went wrong, or ``None``.
        status_code: the HTTP status of an error, or ``None``.
        answered_by: the model that the vendor says answered, or ``None``.
        dropped: parameters that this vendor did not take.
        cached: whether the answer came from a cache, and nothing was sent.
        estimated: whether usage and cost are an estimate, made of what the others used: the request was cut off.
    """

    processor: str
    model: str
    seconds: float
    usage: Usage = Usage()
    cost: float | None = None
    error: str | None = None
    status_code: int | None = None
    answered_by: str | None = None
    dropped: tuple[str, ...] = ()
    cached: bool = False
    estimated: bool = False


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
    probability: float | None = None


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
        review: the paths that a person should look at: undecided, without a majority, repaired.
        names: the candidates' names, in order.
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

    def __repr__(self) -> str:
        """Show the answer and what is doubtful about it; the verdicts are as long as the answer."""
        by = f", by={self.by!r}" if self.by else ""
        return f"Decision(output={self.output!r}, method={self.method!r}{by}, review={list(self.review)!r})"

    def to_dict(self) -> dict[str, Any]:
        """Write everything as JSON-like data.

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
            ConfigurationError: it was written by another version.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that makes a result ``degraded``.

    Attributes:
        kind: what happened.
        detail: to whom, and why.
        processor: the processor or judge that it is about, or ``None``.
    """

    kind: ReasonKind
    detail: str
    processor: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars, where the price is known.

    Attributes:
        processors: dollars for each processor and judge; ``None`` where one of its requests has no known price.
    """

    processors: Mapping[str, float | None]

    @classmethod
    def of(cls, attempts: Iterable[Attempt]) -> Cost:
        """Add up a ledger."""
        spent: dict[str, float | None] = {}
        for attempt in attempts:
            known = spent.get(attempt.processor, 0.0)
            spent[attempt.processor] = None if known is None or attempt.cost is None else known + attempt.cost
        return cls(spent)

    @property
    def total(self) -> float | None:
        """The sum, or ``None`` where a price is unknown."""
        return None if None in self.processors.values() else self.known

    @property
    def known(self) -> float:
        """The sum of what is known: at least this much was spent."""
        return sum(cost for cost in self.processors.values() if cost is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Generic[T]):
    """Everything about one call, the output first.

    Attributes:
        output: the answer: an instance of what ``response_format`` says.
        decision: how it was chosen.
        candidates: every processor's answer, in order of trust.
        errors: one for each processor that gave none, in order of trust.
        attempts: the ledger of every request, the judge's, the failed and the rejected ones included.
        reasons: what makes the result ``degraded``; empty where it is ``complete``.
        seconds: wall-clock time of the whole call.
        name: the ensemble's name.
        format: what an answer had to be.
    """

    output: T
    decision: Decision[T]
    candidates: tuple[Candidate[T], ...]
    errors: tuple[ProcessorError, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    reasons: tuple[Reason, ...] = ()
    seconds: float = 0.0
    name: str = "ensemble"
    format: ResponseFormat[T] = field(repr=False, compare=False)

    @property
    def status(self) -> Status:
        """``complete``, or ``degraded`` for the ``reasons``."""
        return "degraded" if self.reasons else "complete"

    @property
    def usage(self) -> Usage:
        """Tokens over every request."""
        return sum((attempt.usage for attempt in self.attempts), Usage())

    @property
    def cost(self) -> Cost:
        """US dollars over every request."""
        return Cost.of(self.attempts)

    def to_dict(self) -> dict[str, Any]:
        """Write everything as JSON-like data, answers as their type dumps them.

        Examples:
            >>> from ensemble_parse import Ensemble, Result
            >>> from ensemble_parse.testing import ScriptedClient
            >>> result = Ensemble(["a/b"], client=ScriptedClient({"a/b": [3]})).run_sync("Three?", int)
            >>> Result.from_dict(result.to_dict(), int) == result
            True
        """
        from ensemble_parse._stored import to_dict

        return to_dict(self, self.format)

    @overload
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], response_format: type[R]) -> Result[R]: ...
    @overload
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], response_format: Any) -> Result[Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], response_format: Any) -> Result[Any]:
        """Read what ``to_dict`` wrote.

        Args:
            data: the stored result.
            response_format: the type that was asked for.

        Raises:
            ConfigurationError: it was written by another version.
            ValidationError: an answer in it is none of this type.
        """
        from ensemble_parse._stored import from_dict

        return from_dict(data, response_format)

    def decide_again(self, decision_maker: DecisionMaker | None = None) -> Result[T]:
        """Decide over the same candidates once more, offline; also those of a stored result.

        Args:
            decision_maker: ``Vote()`` by default; one that asks no model, such as ``Medoid()`` or one of your own.

        Returns:
            The same run with the other decision; nothing is asked and nothing is spent.

        Raises:
            ConfigurationError: the decision maker would ask a model.
            DecisionError: it can choose none.

        Examples:
            >>> from ensemble_parse import Ensemble, Medoid
            >>> from ensemble_parse.testing import ScriptedClient
            >>> client = ScriptedClient({"a/1": [[1, 1]], "b/2": [[1, 2]], "c/3": [[2, 2]]})
            >>> result = Ensemble(["a/1", "b/2", "c/3"], client=client).run_sync("Go", tuple[int, int])
            >>> result.output, result.decide_again(Medoid()).decision.method
            ((1, 2), 'medoid')
        """
        from ensemble_parse._again import decide_again

        return decide_again(self, decision_maker)

    def __rich__(self) -> Table:
        """Show who said what as a table; ``rich.print(result)``."""
        from ensemble_parse._show import table

        return table(self)

    def _repr_html_(self) -> str:
        """Show who said what in a notebook; everything that models wrote is escaped."""
        from ensemble_parse._show import html

        return html(self)
