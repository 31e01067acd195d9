"""What stored results are made of, and how such a record is read, so that what is wrong in it is told by its path."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NotRequired, TypeVar

from pydantic_core import ValidationError
from typing_extensions import TypedDict

from ensemble_parse._consensus._paths import join
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._models import Attempt, Candidate, Reason, Verdict  # noqa: TC001 - Pydantic reads the annotations

if TYPE_CHECKING:
    from pydantic import ConfigDict, TypeAdapter

_CLOSED: ConfigDict = {"extra": "forbid"}  # also for the nouns inside
N = TypeVar("N")


class Told(TypedDict):
    """What a stored decision tells beside its output; what may be absent was not told by older versions."""

    method: str
    by: NotRequired[str | None]
    explanation: NotRequired[str | None]
    seed: NotRequired[int | None]
    reasons: tuple[Reason, ...]
    verdicts: dict[str, Verdict]
    review: tuple[str, ...]
    names: tuple[str, ...]


class Numbered(Told):
    """A decision in its result: its candidate is one of the result's, by number."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    candidate: int | None


class Alone(Told):
    """A decision by itself."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    version: int
    exact: NotRequired[bool]
    output: Any
    candidate: Candidate[Any] | None


class Failure(TypedDict):
    """An error of one processor."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    kind: str
    message: str
    attempts: tuple[Attempt, ...]
    processor: NotRequired[str]
    retryable: NotRequired[bool]
    status_code: NotRequired[int | None]
    retry_after: NotRequired[float | None]
    refusal: NotRequired[str | None]
    content_filter: NotRequired[bool]
    text: NotRequired[str]
    cut_off: NotRequired[Any]
    spent: NotRequired[dict[str, Any]]
    needed: NotRequired[dict[str, Any]]


class Ended(TypedDict):
    """An error of a whole call, whatever else it tells."""

    attempts: NotRequired[tuple[Attempt, ...]]
    errors: NotRequired[tuple[Failure, ...]]
    candidates: NotRequired[tuple[Candidate[Any], ...]]


class Whole(TypedDict):
    """A result."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    version: int
    name: str
    status: NotRequired[str]
    output: Any
    exact: NotRequired[bool]
    seconds: float
    decision: Numbered
    candidates: tuple[Candidate[Any], ...]
    errors: tuple[Failure, ...]
    attempts: tuple[Attempt, ...]
    reasons: tuple[Reason, ...]


def read(shape: type[N], data: Any, what: str) -> N:
    """Read a record, with its nouns made.

    Raises:
        ConfigurationError: a part of it is missing, unknown or of another type; the message says which, not what it is.
    """
    try:
        record: N = _reader(shape).validate_python(data)  # type: ignore[arg-type] # a class can be hashed
    except ValidationError as error:
        # Without the cause: it holds answers.
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        lacking = [each["loc"][0] for each in wrong if each["type"] == "missing" and len(each["loc"]) == 1]
        if lacking:
            message = f"a stored {what} without its {', '.join(map(str, lacking))}: give all of what to_dict wrote"
        else:
            path = functools.reduce(join, wrong[0]["loc"], "")
            message = f"a stored {what} that is not as to_dict wrote it: {path}: {wrong[0]['msg']}"
        raise ConfigurationError(message) from None
    return record


@functools.cache
def _reader(shape: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(shape)
