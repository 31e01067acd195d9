"""Everything about one call, and what happens during it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, overload

from ensemble_parse._models._ledger import Cost, Usage
from ensemble_parse._models._request import T

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from ensemble_parse._decision import DecisionMaker
    from ensemble_parse._errors import ProcessorError
    from ensemble_parse._format import ResponseFormat
    from ensemble_parse._models._decision import Candidate, Decision, R, Reason
    from ensemble_parse._models._ledger import Attempt

EventKind: TypeAlias = Literal["asked", "retried", "answered", "failed", "settled", "cancelled", "decided"]
Status: TypeAlias = Literal["complete", "degraded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened during a call.

    ``kind`` is one of

    * ``asked``: a processor or judge is asked; of a judge that answers, the next event is ``decided``;
    * ``retried``: it is asked again, because of ``error``;
    * ``answered``: it gave ``candidate``;
    * ``failed``: it gave none, because of ``error``, and may not have been asked at all, as while it rests;
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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
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

    def __repr__(self) -> str:
        """Show the answer, how it came about and what is wrong; candidates and the ledger are long."""
        told = {"status": self.status, "method": self.decision.method, "review": list(self.decision.review)}
        counts = {"candidates": len(self.candidates), "errors": len(self.errors), "requests": self.usage.requests}
        shown = ", ".join(f"{name}={value!r}" for name, value in {**told, **counts}.items())
        return f"Result(output={self.output!r}, {shown})"

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
        """Write everything as JSON-like data, answers as their type dumps them; see ``Decision.to_dict``.

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
            ConfigurationError: it was written by another version, has lost a part, or JSON could not hold its answers.
            ValidationError: an answer in it is none of this type.
        """
        from ensemble_parse._stored import from_dict

        return from_dict(data, response_format)

    def decide_again(self, decision_maker: DecisionMaker | None = None) -> Result[T]:
        """Decide over the same candidates once more, offline; also those of a stored result.

        Args:
            decision_maker: ``Vote()`` by default, without the rules of the ensemble's own; one that asks no model, such
                as ``Vote(rules=...)``, ``Medoid()`` or one of your own.

        Returns:
            The same run with the other decision; nothing is asked and nothing is spent.

        Raises:
            ConfigurationError: it is no decision maker, or would ask a model.
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
