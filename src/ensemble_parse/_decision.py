"""Decision makers: candidates in, one decision out."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, cast, get_args, runtime_checkable

from ensemble_parse._consensus import Survey, account, medoid
from ensemble_parse._consensus._paths import PathRules, one_of
from ensemble_parse._consensus._values import same
from ensemble_parse._errors import ConfigurationError, DecisionError
from ensemble_parse._models import Candidate, Decision, Pace, Request, T
from ensemble_parse._processor import Processor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ensemble_parse._client._protocol import Client
    from ensemble_parse._consensus import Contest, Place
    from ensemble_parse._learned import Learned
    from ensemble_parse._models import Attempt, How, Reason
    from ensemble_parse._rules import FieldRule

Stop: TypeAlias = Literal["unbeatable", "two", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a decision maker may know and use, besides the candidates.

    Attributes:
        request: what was asked.
        client: how models are reached, for decision makers that ask one.
        ledger: takes the attempts of the models that are asked.
    """

    request: Request[Any]
    client: Client
    ledger: list[Attempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outstanding:
    """What may still come.

    Attributes:
        asked: of each candidate that was asked for and has not come, the processor's place in the order of trust.
        unasked: the same of those that were not asked for yet.
        weight: of all of them.
        case: the request, and the means to ask a model about it.
    """

    asked: tuple[int, ...]
    unasked: tuple[int, ...]
    weight: float
    case: Case


@runtime_checkable
class DecisionMaker(Protocol):
    """Turns candidates into a decision; write your own with this one method.

    Two more are looked for, and without them everybody is asked and waited for:

    * ``settled(candidates, outstanding: Outstanding) -> bool``: whether what may still come could not change the
      decision, so that it is neither asked for nor waited for;
    * ``fewest(weights) -> int``: how many candidates, the most trusted first, may be enough if they agree; without it
      one. So many are asked first with ``pace="thrifty"``.

    An attribute ``pace`` is the pace of ensembles that are given none.
    """

    async def decide(self, candidates: Sequence[Candidate[Any]], case: Case) -> Decision[Any]:
        """Decide.

        Args:
            candidates: one or more, in order of trust.
            case: the request, and the means to ask a model about it.

        Raises:
            DecisionError: none can be chosen.
        """
        ...  # pragma: no cover - a protocol


@dataclass(frozen=True, slots=True)
class First:
    """The first valid answer in order of trust (failover): the next processor is asked only when one fails.

    With ``pace="parallel"`` all are asked at once, and the rest is cancelled when nobody more trusted can answer.

    Examples:
        >>> First()
        First()
    """

    pace: ClassVar[Pace] = "thrifty"

    def settled(self, candidates: Sequence[Candidate[Any]], outstanding: Outstanding) -> bool:
        """One answer is all it takes, once nobody more trusted can give one."""
        return candidates[0].position <= min((*outstanding.asked, *outstanding.unasked))

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Take the most trusted candidate."""
        del case
        return Decision(output=candidates[0].output, method="first", candidate=candidates[0])


@runtime_checkable
class Arbiter(Protocol):
    """Answers the questions on which candidates have no majority: the judge of ``Vote``."""

    async def arbitrate(
        self, contests: Sequence[Contest], candidates: Sequence[Candidate[Any]], case: Case
    ) -> Arbitration:
        """Choose among the answers that candidates gave; a question that is left out stays with the vote.

        Args:
            contests: what is disputed, with the distinct validated values.
            candidates: one or more, in order of trust.
            case: the request, and the means to ask a model about it.
        """
        ...  # pragma: no cover - a protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Arbitration:
    """What an arbiter decided.

    Attributes:
        choices: the number of the chosen answer, by the contest's place.
        by: who decided, or ``None`` where nobody could.
        explanation: why.
        seed: what the order of the answers was shuffled with.
        reasons: what makes it less than it should be.
    """

    choices: Mapping[Place, int]
    by: str | None = None
    explanation: str | None = None
    seed: int | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Vote:
    """A typed vote on every field, merged into one object that is always valid; see ``consensus``.

    Attributes:
        arbiter: who is asked about what has no majority, all of it at once; ``None``: the most trusted of what leads
            stands, and the result says that it is undecided.
        rules: how to compare and combine, by path; before those in the type's ``Annotated``.
        learned: weights that take the place of the processors' own, fitted by ``ensemble_parse.evaluate.fit_weights``;
            with it the verdicts tell how likely each value is right.
        stop: when it is settled. ``"unbeatable"``: when no outstanding weight can change any path, long text aside,
            so that the answer is the one that waiting for all would give. ``"two"``: when on every path two agree and
            lead. ``"all"``: never; everybody is asked and waited for.

    Raises:
        ConfigurationError: the arbiter is none, or the rules are no mapping from path to rule.

    Examples:
        >>> Vote()
        Vote()
    """

    arbiter: Arbiter | None = None
    rules: Mapping[str, FieldRule | Iterable[FieldRule]] | None = None
    stop: Stop = "unbeatable"
    learned: Learned | None = None

    def __post_init__(self) -> None:
        """Check the settings, before any model is paid."""
        if isinstance(self.arbiter, str | Processor):
            model = repr(self.arbiter) if isinstance(self.arbiter, str) else f"Processor({self.arbiter.model!r})"
            message = f"Vote(arbiter={model}): a model arbitrates as a judge; give Judge({model})"
            raise ConfigurationError(message)
        if self.arbiter is not None and (isinstance(self.arbiter, type) or not isinstance(self.arbiter, Arbiter)):
            message = f"Vote(arbiter={self.arbiter!r}): give a Judge, or an object with an arbitrate method"
            raise ConfigurationError(message)
        if self.rules is not None:
            PathRules.of(self.rules)
        if self.stop not in get_args(Stop):
            message = f"Vote(stop={self.stop!r}): {one_of(self.stop, get_args(Stop))}"
            raise ConfigurationError(message)

    @property
    def processors(self) -> tuple[Processor, ...]:
        """The models that the arbiter may ask."""
        return getattr(self.arbiter, "processors", ())

    def __repr__(self) -> str:
        """Show what is not the default."""
        told = {
            "arbiter": self.arbiter,
            "rules": self.rules,
            "stop": None if self.stop == "unbeatable" else self.stop,
            "learned": self.learned,
        }
        return f"Vote({', '.join(f'{name}={value!r}' for name, value in told.items() if value is not None)})"

    def fewest(self, weights: Sequence[float]) -> int:
        """So many that agree settle it."""
        if self.stop == "all":
            return len(weights)
        if self.stop == "two":
            return min(2, len(weights))
        return next(count for count in range(1, len(weights) + 1) if sum(weights[:count]) > sum(weights[count:]))

    def settled(self, candidates: Sequence[Candidate[Any]], outstanding: Outstanding) -> bool:
        """Whether every path is."""
        if self.stop == "all" or (self.stop == "two" and len(candidates) == 1):
            return False
        survey = Survey(candidates, outstanding.case.request.format.type, self.rules, learned=self.learned)
        return not survey.unsettled(outstanding.weight, two=self.stop == "two", arbitrated=self.arbiter is not None)

    def leading(self, candidates: Sequence[Candidate[T]], case: Case) -> T:
        """What the vote would give if nobody else answered, and no arbiter were asked."""
        return Survey(candidates, case.request.format.type, self.rules, learned=self.learned).decide().output

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Vote, and ask the arbiter about what the vote leaves open."""
        survey = Survey(candidates, case.request.format.type, self.rules, learned=self.learned)
        contests = survey.contests() if self.arbiter else ()
        if self.arbiter is None or not contests:
            return survey.decide()
        told = await self.arbiter.arbitrate(contests, candidates, case)
        decision = survey.decide(told.choices, by=told.by)
        return replace(
            decision, explanation=told.explanation, seed=told.seed, reasons=(*told.reasons, *decision.reasons)
        )


@dataclass(frozen=True, slots=True)
class Unanimous:
    """All agree, or the path is undecided and for a person to look at: for regulated data.

    What stands meanwhile is the winner of the vote. With ``strict=True`` on the ensemble, dissent raises. All means all
    who answered: one answer alone is unanimous, so ask for more with ``min_candidates``.

    Examples:
        >>> Unanimous()
        Unanimous()
    """

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Vote, and call everything undecided that is not unanimous."""
        return Survey(candidates, case.request.format.type, must_agree=True).decide()


@dataclass(frozen=True, slots=True)
class Medoid:
    """The candidate that is most like all others, by weight and by type: for objects that must come from one source.

    The source of the method is minimum Bayes risk decoding: the candidate with the least expected loss under what the
    panel says. Ties fall to the order of trust.

    Examples:
        >>> Medoid()
        Medoid()
    """

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Take the most central candidate."""
        chosen = medoid(candidates, case.request.format.type)
        method = "only one" if len(candidates) == 1 else "medoid"
        return Decision(output=chosen.output, method=method, candidate=chosen)


async def decided(maker: DecisionMaker, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
    """Let a decision maker decide, check what it decided, and tell who said what of it.

    Raises:
        DecisionError: what it returned is no decision, or its output is not of the response type.
    """
    made_up: Any = maker.decide(candidates, case)
    decision: Any = await made_up if inspect.isawaitable(made_up) else made_up  # a plain function will do
    who = f"{type(maker).__name__}.decide"
    if not isinstance(decision, Decision):
        message = f"{who} returned {type(decision).__name__}; return a Decision(output=..., method=...)"
        raise DecisionError(message, candidates=tuple(candidates))
    made = cast("Decision[T]", decision)
    output = made.output
    # What is validated already stays as it is: a validator may make something else of it each time.
    own = type(maker).__module__.partition(".")[0] == __name__.partition(".")[0]
    if not own and not any(same(output, candidate.output) for candidate in candidates):
        try:
            output = case.request.format.coerce(output)
        except Exception as error:
            message = f"{who} decided on something that is no {case.request.format.name}"
            raise DecisionError(message, candidates=tuple(candidates)) from error
    how: How = "judge" if made.by else "chosen"
    names = tuple(candidate.name for candidate in candidates)
    made = replace(made, output=output, names=names, response_format=case.request.format)
    if made.verdicts:
        return made
    told = account(output, candidates, case.request.format.type, how=how)
    review = made.review or tuple(path for path, _ in told.doubtful())
    return replace(made, verdicts=told, review=review)
