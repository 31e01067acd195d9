"""What can go wrong, as one tree.

    EnsembleError
      ConfigurationError (ValueError)      cannot run as built; raised before any request
      ProcessorError                       one processor could not give a candidate
        ProviderError                      the vendor, or the way to it, failed
        ProcessorTimeout (TimeoutError)    no whole answer within the attempt's time limit
        InvalidOutput                      answered, and never validated, after the re-asks
        Refused                            refusal or content filter
        Truncated                          cut off at the length limit
        BudgetExceeded                     refused before it was sent, so that a budget is kept
      AllProcessorsFailed (ExceptionGroup) no candidate at all; one sub-error for each processor
      DecisionError                        there are candidates, and none could be chosen
        DegradedResult                     ``strict=True``, and something was less than it should be
      DeadlineExceeded (TimeoutError)      the whole call took too long

A processor that fails is a value: it stands in ``Result.errors`` while the others' answer is returned. Messages name
the processor, what was wrong and what to do; they hold no key, no prompt and no answer. Every error pickles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError

    from ensemble_parse._budget import Spending
    from ensemble_parse._models import Attempt, Candidate, Result

__all__ = [
    "AllProcessorsFailed",
    "BudgetExceeded",
    "ConfigurationError",
    "DeadlineExceeded",
    "DecisionError",
    "DegradedResult",
    "EnsembleError",
    "InvalidOutput",
    "ProcessorError",
    "ProcessorTimeout",
    "ProviderError",
    "Refused",
    "Truncated",
]


def _rebuild(cls: type[Exception], message: str, state: dict[str, Any]) -> Exception:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class EnsembleError(Exception):
    """The root of every error that this library raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only constructors do not survive the default protocol, which calls ``cls(*args)``.
        return _rebuild, (type(self), str(self), self.__dict__.copy())


class ConfigurationError(EnsembleError, ValueError):
    """The call cannot run as it was built; nothing was sent and nothing was spent."""


class ProcessorError(EnsembleError):
    """One processor gave no candidate.

    Attributes:
        processor: its name.
        attempts: the ledger of every request that it made, in order.
        retryable: whether asking again could help.
    """

    retryable: bool = False

    def __init__(self, message: str, *, processor: str = "", attempts: tuple[Attempt, ...] = ()) -> None:
        """Keep who failed beside the message."""
        super().__init__(message)
        self.processor = processor
        self.attempts = attempts

    def __eq__(self, other: object) -> bool:
        """Whether it says the same, so that results with errors compare; ``validation_error`` does not pickle."""
        if not isinstance(other, ProcessorError) or type(self) is not type(other):
            return NotImplemented
        return self.args == other.args and self._told() == other._told()

    def __hash__(self) -> int:
        """Of what does not change."""
        return hash((type(self), self.args))

    def _told(self) -> dict[str, Any]:
        return {"retryable": self.retryable, **self.__dict__, "validation_error": None}

    @property
    def kind(self) -> str:
        """The class name, as it stands in stored results."""
        return type(self).__name__


class ProviderError(ProcessorError):
    """The vendor answered with an error, or could not be reached.

    Attributes:
        status_code: the HTTP status, or ``None`` where there was no answer at all.
        retry_after: seconds that the vendor asked to wait, or ``None``.
    """

    def __init__(
        self,
        message: str,
        *,
        processor: str = "",
        attempts: tuple[Attempt, ...] = (),
        status_code: int | None = None,
        retry_after: float | None = None,
        retryable: bool = False,
    ) -> None:
        """Keep the status and what the vendor said about waiting."""
        super().__init__(message, processor=processor, attempts=attempts)
        self.status_code = status_code
        self.retry_after = retry_after
        self.retryable = retryable


class ProcessorTimeout(ProcessorError, TimeoutError):
    """No whole answer came within the time limit of an attempt, or by the deadline of the whole call.

    Attributes:
        cut_off: whether it was the deadline of the whole call.
    """

    cut_off: bool = False

    @classmethod
    def by_deadline(cls, processor: str) -> Self:
        """Say that a processor was cut off by the deadline of the whole call."""
        error = cls(f"{processor}: cut off by the deadline", processor=processor)
        error.cut_off = True
        return error

    def _told(self) -> dict[str, Any]:
        return {"cut_off": self.cut_off, **super()._told()}


class InvalidOutput(ProcessorError):
    """The model answered, and no answer validated, the re-asks included.

    Attributes:
        validation_error: the last answer's ``pydantic.ValidationError``, or ``None`` where there was no JSON in it. It
            quotes the answer, which the message does not.
    """

    def __init__(
        self,
        message: str,
        *,
        processor: str = "",
        attempts: tuple[Attempt, ...] = (),
        validation_error: ValidationError | None = None,
    ) -> None:
        """Keep the last validation error."""
        super().__init__(message, processor=processor, attempts=attempts)
        self.validation_error = validation_error

    def __reduce__(self) -> tuple[Any, ...]:
        # A ValidationError can hold the user's exceptions and does not pickle reliably: its text does.
        state = self.__dict__.copy()
        state["validation_error"] = None
        return _rebuild, (type(self), str(self), state)


class Refused(ProcessorError):
    """The model refused, or a content filter stopped it; never retried, never voted on.

    Attributes:
        refusal: the model's own words, or ``None`` where a filter gave none.
        content_filter: whether a filter stopped it, rather than the model.
    """

    def __init__(
        self,
        message: str,
        *,
        processor: str = "",
        attempts: tuple[Attempt, ...] = (),
        refusal: str | None = None,
        content_filter: bool = False,
    ) -> None:
        """Keep the model's own words."""
        super().__init__(message, processor=processor, attempts=attempts)
        self.refusal = refusal
        self.content_filter = content_filter


class Truncated(ProcessorError):
    """The answer was cut off at the length limit; never voted on.

    Attributes:
        text: what there was of the answer.
    """

    def __init__(
        self, message: str, *, processor: str = "", attempts: tuple[Attempt, ...] = (), text: str = ""
    ) -> None:
        """Keep what there was."""
        super().__init__(message, processor=processor, attempts=attempts)
        self.text = text


class BudgetExceeded(ProcessorError):
    """The request could have passed a limit of a ``Budget``; it was not sent, and cost nothing.

    Attributes:
        spent: what the budget's requests had cost by then, or ``None``.
        needed: what this request could have cost at worst, or ``None``.
    """

    def __init__(
        self,
        message: str,
        *,
        processor: str = "",
        attempts: tuple[Attempt, ...] = (),
        spent: Spending | None = None,
        needed: Spending | None = None,
    ) -> None:
        """Keep what was spent and what was needed."""
        super().__init__(message, processor=processor, attempts=attempts)
        self.spent = spent
        self.needed = needed


class AllProcessorsFailed(EnsembleError, ExceptionGroup[ProcessorError]):
    """No processor gave a candidate; ``exceptions`` holds one error for each, in order of trust.

    Attributes:
        attempts: the ledger of every request.
    """

    def __new__(cls, errors: Sequence[ProcessorError], attempts: tuple[Attempt, ...] = ()) -> Self:
        """Say in one message what happened to each."""
        del attempts  # kept by __init__
        lines = "".join(f"\n  {error}" for error in errors)
        return super().__new__(cls, f"no processor gave a valid answer:{lines}", errors)

    def __init__(self, errors: Sequence[ProcessorError], attempts: tuple[Attempt, ...] = ()) -> None:
        """Keep the ledger; the group holds the errors."""
        del errors  # kept by __new__
        self.attempts = attempts

    @property
    def errors(self) -> tuple[ProcessorError, ...]:
        """One for each processor, in order of trust."""
        return tuple(each for each in self.exceptions if isinstance(each, ProcessorError))

    def __str__(self) -> str:
        """The message, without the count that ExceptionGroup adds to it."""
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the errors themselves."""
        return type(self), (list(self.exceptions), self.attempts)

    def derive(self, excs: Sequence[ProcessorError]) -> AllProcessorsFailed:  # type: ignore[override]
        """Make a group of the same class for ``except*``."""
        return AllProcessorsFailed(excs, self.attempts)


class DecisionError(EnsembleError):
    """There are candidates, and no decision could be made over them.

    Attributes:
        candidates: what the processors answered.
    """

    def __init__(self, message: str, *, candidates: tuple[Candidate[Any], ...] = ()) -> None:
        """Keep what was paid for."""
        super().__init__(message)
        self.candidates = candidates


class DegradedResult(DecisionError):
    """``strict=True``, and the result would have been ``degraded``.

    Attributes:
        result: the result that would have been returned, so that nothing paid for is lost.
    """

    def __init__(self, message: str, *, result: Result[Any]) -> None:
        """Keep the result."""
        super().__init__(message, candidates=result.candidates)
        self.result = result


class DeadlineExceeded(EnsembleError, TimeoutError):
    """The whole call's deadline passed before there was anything to return.

    Attributes:
        candidates: the answers that were there by then.
        attempts: the ledger of what had been asked.
    """

    def __init__(
        self, message: str, *, candidates: tuple[Candidate[Any], ...] = (), attempts: tuple[Attempt, ...] = ()
    ) -> None:
        """Keep what was paid for."""
        super().__init__(message)
        self.candidates = candidates
        self.attempts = attempts
