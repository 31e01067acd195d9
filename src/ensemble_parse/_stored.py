"""Results as JSON, so that a run that was paid for can be kept, read elsewhere and decided again."""

from __future__ import annotations

import dataclasses
import functools
import json
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json, to_jsonable_python

from ensemble_parse import _errors
from ensemble_parse import _records as records
from ensemble_parse._budget import Spending
from ensemble_parse._consensus._values import class_of, same
from ensemble_parse._errors import (
    AllProcessorsFailed,
    ConfigurationError,
    DecisionError,
    DegradedResult,
    EnsembleError,
    ProcessorError,
)
from ensemble_parse._format import response_format
from ensemble_parse._models import Attempt, Candidate, Decision, Reason, Result, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import TypeAdapter

    from ensemble_parse._format import ResponseFormat

VERSION: Final = 1


def to_dict(result: Result[Any], format_: ResponseFormat[Any]) -> dict[str, Any]:
    """Write a result as JSON-like data; answers as the response type dumps them."""
    decision = result.decision
    output, exact = _written(result.output, format_)
    candidates = [_candidate(each, format_) for each in result.candidates]
    at = next((i for i, each in enumerate(result.candidates) if each is decision.candidate), None)
    return {
        "version": VERSION,
        "name": result.name,
        "status": result.status,
        "output": output,
        "exact": exact and all(exact for _, exact in candidates),
        "seconds": result.seconds,
        "decision": {**_told(decision), "candidate": at},
        "candidates": [candidate for candidate, _ in candidates],
        "errors": [_error(error) for error in result.errors],
        "attempts": _plain(result.attempts),
        "reasons": _plain(result.reasons),
    }


def from_dict(data: Mapping[str, Any], type_: Any) -> Result[Any]:
    """Read what ``to_dict`` wrote.

    Raises:
        ConfigurationError: it was written by another version, has lost a part, or JSON could not hold its answers.
        ValidationError: an answer is none of this response type.
    """
    _check(data, "result")
    stored = records.read(records.Whole, data, "result")
    format_ = response_format(type_)
    candidates = tuple(_validated(each, format_) for each in stored["candidates"])
    at = stored["decision"]["candidate"]
    if at is not None and not 0 <= at < len(candidates):
        message = f"a stored result whose decision.candidate is none of its {len(candidates)} candidates"
        raise ConfigurationError(message)
    chosen = None if at is None else candidates[at]
    output: Any = format_.read(stored["output"]) if chosen is None else chosen.output
    told: dict[str, Any] = {**stored["decision"], "output": output, "candidate": chosen, "response_format": format_}
    return Result(
        output=output,
        decision=Decision(**told),
        candidates=candidates,
        errors=tuple(_failed(each) for each in stored["errors"]),
        attempts=stored["attempts"],
        reasons=stored["reasons"],
        seconds=stored["seconds"],
        name=stored["name"],
        format=format_,
    )


def decision_to_dict(decision: Decision[Any]) -> dict[str, Any]:
    """Write a decision by itself as JSON-like data."""
    chosen, type_ = decision.candidate, decision.response_format
    output, exact = _written(decision.output, response_format(class_of(decision.output) if type_ is None else type_))
    return {
        "version": VERSION,
        "output": output,
        "exact": exact,
        **_told(decision),
        "candidate": None if chosen is None else {**_CANDIDATE(chosen), "output": output},
    }


def decision_from_dict(data: Mapping[str, Any], type_: Any) -> Decision[Any]:
    """Read what ``decision_to_dict`` wrote.

    Raises:
        ConfigurationError: it was written by another version, has lost a part, or JSON could not hold its output.
        ValidationError: the output is none of this type.
    """
    _check(data, "decision")
    stored = records.read(records.Alone, data, "decision")
    format_ = response_format(type_)
    output: Any = format_.read(stored["output"])
    chosen = stored["candidate"]
    told: dict[str, Any] = {name: value for name, value in stored.items() if name not in ("version", "exact")}
    told |= {"output": output, "candidate": None if chosen is None else dataclasses.replace(chosen, output=output)}
    return Decision(**told, response_format=format_)


def _written(value: Any, format_: ResponseFormat[Any]) -> tuple[Any, bool]:
    """Dump an answer, and say whether it comes back as it was: JSON has no secrets, and not every type."""
    data = format_.data(value)
    try:
        return data, same(format_.read(data), value)
    except Exception:  # noqa: BLE001 - a user's own validators
        return data, False


def _check(data: Mapping[str, Any], what: str) -> None:
    kind = class_of(data)
    if not issubclass(kind, Mapping):
        message = f"a stored {what} is a mapping, not a {kind.__name__}; json.loads reads one from a text"
        raise ConfigurationError(message)
    if data.get("version") != VERSION:
        message = f"a stored {what} of version {data.get('version')!r}; this library reads version {VERSION}"
        raise ConfigurationError(message)
    if not data.get("exact", True):
        message = (
            f"a stored {what} whose answers JSON could not hold, such as a secret, an excluded field or a date where a "
            "text may stand: what would be read is not what was said. Keep such a one with pickle"
        )
        raise ConfigurationError(message)


def _told(decision: Decision[Any]) -> dict[str, Any]:
    return {
        "method": decision.method,
        "by": decision.by,
        "explanation": decision.explanation,
        "seed": decision.seed,
        "reasons": _plain(decision.reasons),
        "verdicts": _plain(dict(decision.verdicts)),
        "review": list(decision.review),
        "names": list(decision.names),
    }


def _shallow(cls: type) -> Callable[[Any], dict[str, Any]]:
    names = tuple(field.name for field in dataclasses.fields(cls))
    values = operator.attrgetter(*names)
    return lambda each: dict(zip(names, values(each), strict=True))


_CANDIDATE: Final = _shallow(Candidate)


def _candidate(each: Candidate[Any], format_: ResponseFormat[Any]) -> tuple[dict[str, Any], bool]:
    output, exact = _written(each.output, format_)
    return {**_CANDIDATE(each), "output": output}, exact


def _validated(each: Candidate[Any], format_: ResponseFormat[Any]) -> Candidate[Any]:
    return dataclasses.replace(each, output=format_.read(each.output))


def _plain(told: Any) -> Any:
    """Write nouns as data; Pydantic's serializers take a tenth of the time of ``dataclasses.asdict``."""
    return _nouns().dump_python(told, warnings=False)


@functools.cache
def _nouns() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(tuple[Attempt, ...] | tuple[Reason, ...] | dict[str, Verdict])


_TOLD: Final = (
    *("processor", "retryable", "status_code", "retry_after", "refusal", "content_filter", "text"),
    "cut_off",
)
_AMOUNTS: Final = ("spent", "needed")


def _error(error: ProcessorError) -> dict[str, Any]:
    told = {name: getattr(error, name) for name in _TOLD if hasattr(error, name)}
    for name in _AMOUNTS:
        if isinstance(amount := getattr(error, name, None), Spending):
            told[name] = dataclasses.asdict(amount)
    return {"kind": error.kind, "message": str(error), **told, "attempts": _plain(error.attempts)}


def _failed(data: Mapping[str, Any]) -> ProcessorError:
    kind = getattr(_errors, data["kind"], None)
    if not (isinstance(kind, type) and issubclass(kind, ProcessorError)):
        kind = ProcessorError  # a client's own, or no error at all
    error = kind(data["message"], attempts=data["attempts"])
    for name in _TOLD:
        if name in data:
            setattr(error, name, data[name])
    for name in _AMOUNTS:
        if name in data:
            setattr(error, name, Spending(**data[name]))
    return error


def error_to_dict(error: EnsembleError, format_: ResponseFormat[Any]) -> dict[str, Any]:
    """Write what a call raised as JSON-like data, with all that was paid for by then."""
    if isinstance(error, ProcessorError):
        return _error(error)
    told: dict[str, Any] = {
        name: value for name, value in vars(error).items() if isinstance(value, str | int | float | bool | None)
    }
    told |= {"kind": type(error).__name__, "message": str(error)}
    attempts: tuple[Attempt, ...] = getattr(error, "attempts", ())
    if attempts:
        told["attempts"] = _plain(attempts)
    if isinstance(error, AllProcessorsFailed):
        told["errors"] = [_error(each) for each in error.errors]
    if isinstance(error, DegradedResult):
        told["result"] = to_dict(error.result, format_)
    elif isinstance(error, DecisionError):
        told["candidates"] = [_candidate(each, format_)[0] for each in error.candidates]
    return told


def error_from_dict(data: Mapping[str, Any], type_: Any) -> EnsembleError:
    """Read what ``error_to_dict`` wrote."""
    kind = getattr(_errors, data["kind"], None)
    if not (isinstance(kind, type) and issubclass(kind, EnsembleError)):
        kind = EnsembleError  # somebody's own
    if issubclass(kind, ProcessorError):
        return _failed(records.read(records.Failure, data, "error"))
    format_ = response_format(type_)
    stored = records.read(records.Ended, data, "error")
    if issubclass(kind, AllProcessorsFailed):
        return kind([_failed(each) for each in stored.get("errors", ())], stored.get("attempts", ()))
    error = kind.__new__(kind, data["message"])
    told = {name: value for name, value in data.items() if name not in ("kind", "message")}
    if "attempts" in stored:
        told["attempts"] = stored["attempts"]
    if "candidates" in stored:
        told["candidates"] = tuple(_validated(each, format_) for each in stored["candidates"])
    if "result" in told:
        told["result"] = from_dict(told["result"], format_)
        told["candidates"] = told["result"].candidates
    error.args = (data["message"],)
    vars(error).update(told)
    return error


def json_bytes(data: Any) -> bytes:
    """Write data as one line of JSON."""
    try:
        return to_json(data, serialize_unknown=True)
    except ValueError:  # half of a surrogate pair, which a model may write and UTF-8 has no bytes for
        return json.dumps(to_jsonable_python(data, serialize_unknown=True)).encode()


def json_data(line: bytes) -> Any:
    """Read what ``json_bytes`` wrote.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return from_json(line)
    except ValueError:
        return json.loads(line)
