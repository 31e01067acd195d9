"""When one processor asks again, and how long it waits: the only transport retry there is."""

from __future__ import annotations

import asyncio
import inspect
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ensemble_parse._errors import ConfigurationError, ProcessorError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import AsyncRetrying, RetryCallState

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How one processor copes with failure; frozen settings, shared by any number of concurrent calls.

    A call makes at most ``attempts + reasks`` requests: nothing multiplies. Retried are 408, 409, 425, 429, 5xx and
    failed connections, never 400, 401, 403, 404, a context window or a content policy, and never an attempt that used
    up its ``timeout``: a vendor that hangs costs one timeout.

    Attributes:
        attempts: transport tries, at least 1.
        timeout: seconds for one attempt, from sending to the last byte.
        wait: a tenacity wait strategy; by default exponential with jitter, up to 8 s. A vendor's ``Retry-After`` is
            waited for instead.
        reasks: how many times a model is told why its answer did not validate and asked again.
        longest_wait: seconds; a vendor that asks for more is given up at once.

    Raises:
        ConfigurationError: a number is out of range.

    Examples:
        >>> RetryPolicy(attempts=4, timeout=20)
        RetryPolicy(attempts=4, timeout=20, wait=None, reasks=1, longest_wait=60.0)
    """

    attempts: int = 3
    timeout: float = 30.0
    wait: Callable[[RetryCallState], float] | None = None
    reasks: int = 1
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        wanted = {
            "attempts": (is_whole(self.attempts, least=1), "a whole number, 1 or more"),
            "reasks": (is_whole(self.reasks, least=0), "a whole number, 0 or more"),
            "timeout": (is_positive(self.timeout), "seconds, more than 0"),
            "longest_wait": (is_positive(self.longest_wait), "seconds, more than 0"),
            "wait": (self.wait is None or callable(self.wait), "a tenacity wait strategy, such as wait_fixed(2)"),
        }
        for name, (holds, what) in wanted.items():
            if not holds:
                message = f"RetryPolicy({name}={getattr(self, name)!r}): give {what}"
                raise ConfigurationError(message)

    @classmethod
    def of(cls, retry: RetryPolicy | AsyncRetrying | None) -> RetryPolicy:
        """Take a policy, a tenacity controller (copied for every call), or ``None`` for the defaults."""
        if retry is None:
            return cls()
        if isinstance(retry, RetryPolicy):
            return retry
        from tenacity import AsyncRetrying

        if not isinstance(retry, AsyncRetrying):
            message = f"retry={retry!r}: give a RetryPolicy, such as RetryPolicy(attempts=4, timeout=20)"
            raise ConfigurationError(message)
        return _Tenacity(controller=retry)

    def retrying(self, spent: int, deadline: float | None) -> AsyncRetrying:
        """Build a fresh controller for one round of a call that has spent some of its tries."""
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

        wait = self.wait or wait_random_exponential(multiplier=0.5, max=8)
        return AsyncRetrying(
            stop=stop_after_attempt(max(1, self.attempts - spent)),
            wait=partial(_pause, wait=wait),
            retry=retry_if_exception(lambda error: self._again(error, deadline)),
            reraise=True,
        )

    def _again(self, error: BaseException, deadline: float | None) -> bool:
        if not (isinstance(error, ProcessorError) and error.retryable):
            return False
        pause = error.retry_after if isinstance(error, ProviderError) else None
        if pause is None:
            return True
        return pause <= self.longest_wait and (deadline is None or asyncio.get_running_loop().time() + pause < deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tenacity(RetryPolicy):
    """A user's own tenacity controller, with our rule of what may be retried in front of it."""

    controller: Any = None

    def retrying(self, spent: int, deadline: float | None) -> AsyncRetrying:
        del spent  # the user's own stop condition counts
        mine = self.controller.retry

        async def again(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            # A predicate that matches BaseException would swallow the cancellation of the whole call.
            if not isinstance(error, Exception) or not self._again(error, deadline):
                return False
            return bool(await _value(mine(state)))

        async def pause(state: RetryCallState) -> float:
            return float(await _value(_pause(state, self.controller.wait)))

        # A callback's value is no answer: what failed is raised.
        copy: AsyncRetrying = self.controller.copy(retry=again, wait=pause, reraise=True, retry_error_callback=None)
        return copy


async def _value(given: Any) -> Any:
    """Tenacity takes predicates and waits as functions and as coroutine functions."""
    return await given if inspect.isawaitable(given) else given


def _pause(state: RetryCallState, wait: Callable[[RetryCallState], float]) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ProviderError) else None
    return wait(state) if asked is None else asked


def is_whole(value: object, *, least: int) -> bool:
    """Whether a setting is a whole number, and large enough."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_positive(value: object) -> bool:
    """Whether a setting is a number more than 0, and not infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


async def with_retries(
    policy: RetryPolicy,
    attempt: Callable[[], Awaitable[R]],
    *,
    spent: int = 0,
    deadline: float | None = None,
    retried: Callable[[ProcessorError], None] = lambda _: None,
) -> R:
    """Run one round of a call: attempt it until it succeeds, cannot help any more, or the tries are used up.

    Args:
        policy: the processor's.
        attempt: makes one request; raises ``ProcessorError``.
        spent: failed tries of the call's earlier rounds.
        deadline: event-loop time past which nothing is waited for.
        retried: is told of each failure after which there is another attempt, when there is.
    """
    failed: ProcessorError | None = None
    async for state in policy.retrying(spent, deadline):
        if failed is not None:
            retried(failed)
        with state:
            try:
                return await attempt()
            except ProcessorError as error:
                failed = error
                raise
    raise AssertionError  # pragma: no cover - tenacity either returns or raises with ``reraise``
