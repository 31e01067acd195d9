"""What the library asks of a client: one method."""

from __future__ import annotations

import asyncio
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from ensemble_parse._models import T

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ensemble_parse._budget import Budget, Spending
    from ensemble_parse._errors import ProcessorError
    from ensemble_parse._format import Parsed, ResponseFormat
    from ensemble_parse._limits import RateLimit
    from ensemble_parse._models import Attempt, Message, Mode, Usage
    from ensemble_parse._retry import RetryPolicy


class Gate:
    """At most so many requests at a time, in every event loop that uses it."""

    def __init__(self, limit: int) -> None:
        """Set the limit."""
        self._limit = limit
        # A semaphore belongs to the first loop that waits on it; a processor may serve several.
        self._semaphores: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )

    def __reduce__(self) -> tuple[type[Gate], tuple[int]]:
        """A copy in another process is that process's gate."""
        return type(self), (self._limit,)

    def __call__(self) -> AbstractAsyncContextManager[None]:
        """The gate of the running loop."""
        return self._semaphores.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self._limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall(Generic[T]):
    """One processor's question to its model.

    Attributes:
        processor: the processor's name, for errors and the ledger.
        model: a LiteLLM model string.
        messages: the conversation, few-shot turns included.
        format: what the answer must be.
        policy: tries, time limit, re-asks.
        record: takes every attempt as it ends; also of a call that is cancelled.
        n: how many answers are wanted.
        sample: the number of the first of them among all samples of the same question to the same model, from 0: what
            tells one draw from another.
        mode: how structure is asked for.
        params: model parameters.
        gate: limits the requests under way, or ``None``.
        rate_limit: limits requests and tokens in a period, or ``None``.
        budgets: what may be spent; each request sets its worst case aside in all of them.
        deadline: event-loop time past which nothing is waited for.
        strict: whether a parameter that the vendor does not take is an error.
        retried: is told of each failure after which the model is asked again, when it is.
    """

    processor: str
    model: str
    messages: Sequence[Message]
    format: ResponseFormat[T]
    policy: RetryPolicy
    record: Callable[[Attempt], None]
    n: int = 1
    sample: int = 0
    mode: Mode = "auto"
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)  # keys are among them
    gate: Gate | None = None
    rate_limit: RateLimit | None = None
    budgets: tuple[Budget, ...] = ()
    deadline: float | None = None
    strict: bool = False
    retried: Callable[[ProcessorError], None] = field(default=lambda _: None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a response type goes to one processor's vendor.

    Attributes:
        processor: its name.
        model: the model string.
        mode: how structure will be asked for.
        strict: whether the vendor is told to constrain the model to the schema.
        problems: path -> why the schema cannot be strict there; such a schema goes out as it is.
        dropped: parameters that this vendor does not take.
        together: whether ``n`` samples go out as one request.
    """

    processor: str
    model: str
    mode: Mode
    strict: bool = False
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    dropped: tuple[str, ...] = ()
    together: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Generic[T]):
    """What a model answered: at least one valid answer.

    Attributes:
        answers: the valid ones.
        errors: one for each sample of the same request that is none.
    """

    answers: Sequence[Parsed[T]]
    errors: Sequence[ProcessorError] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A request as it stands in a batch file.

    Attributes:
        body: what would be sent if it were asked now.
        worst: what it costs at worst, at the price of a batch.
    """

    body: Mapping[str, Any]
    worst: Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAnswer:
    """What a vendor says to one row of a batch.

    Attributes:
        status: as of an HTTP response.
        body: the same.
    """

    status: int
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A batch as its vendor reports it.

    Attributes:
        over: whether nothing more will come of it.
        status: the vendor's word.
        problem: why it failed, as far as the vendor says, or ``""``.
        files: where its answers are.
    """

    over: bool
    status: str
    problem: str = ""
    files: tuple[str, ...] = ()


class Batches(ABC):
    """A vendor's way to answer many requests within a day for less money.

    Attributes:
        most_rows: that a file may have.
        most_bytes: that a file may have.

    Every method raises ``ProviderError`` where the vendor cannot be reached or will not.
    """

    most_rows: int
    most_bytes: int

    @abstractmethod
    async def row(self, call: ModelCall[Any]) -> Row | None:
        """Write down the request that ``ask`` would send; ``None``: it is not of a kind that batches take."""

    @abstractmethod
    async def submit(self, call: ModelCall[Any], lines: bytes, *, window: str, tag: str) -> str:
        """Hand in a file of rows, marked with a tag, and return the batch's id. It is tried once."""

    @abstractmethod
    async def find(self, call: ModelCall[Any], tag: str) -> str | None:
        """Look for a batch by its tag; ``None``: there is none."""

    @abstractmethod
    async def look(self, call: ModelCall[Any], batch: str) -> Job:
        """Ask how far a batch is."""

    @abstractmethod
    async def answers(self, call: ModelCall[Any], job: Job) -> Mapping[str, RowAnswer]:
        """Fetch what was answered, by ``custom_id``; rows without any answer are left out."""

    @abstractmethod
    async def read(self, call: ModelCall[T], answer: RowAnswer, *, live: bool) -> Reply[T]:
        """Make of an answer what ``Client.ask`` makes of it; with ``live``, ask again where it is invalid or an error.

        Raises:
            ProcessorError: no sample is a valid answer.
        """


class Client(ABC):
    """Reaches models. Implement ``ask``, and give an instance to ``Ensemble(client=...)``."""

    async def fit(self, call: ModelCall[Any]) -> Fit:
        """Say how a call would go out, without sending anything.

        Raises:
            ConfigurationError: it cannot: the model is unknown, or the vendor cannot take the schema.
        """
        return Fit(processor=call.processor, model=call.model, mode=call.mode)

    def price(self, call: ModelCall[Any], usage: Usage) -> float | None:
        """US dollars for so many tokens of a call's model, or ``None`` where its price is unknown."""
        del call, usage
        return None

    async def batches(self, call: ModelCall[Any]) -> Batches | None:
        """The batches of a call's vendor, or ``None`` where it has none that can be reached."""
        del call
        return None

    @abstractmethod
    async def ask(self, call: ModelCall[T]) -> Reply[T]:
        """Ask a model, retries and re-asks included.

        Raises:
            ProcessorError: no sample is a valid answer.
        """
