"""Results as JSON, so that a run that was paid for can be kept, read elsewhere and decided again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse import _errors
from ensemble_parse._consensus._values import same
from ensemble_parse._errors import ConfigurationError, ProcessorError
from ensemble_parse._format import response_format
from ensemble_parse._models import Attempt, Candidate, Decision, Dissent, Reason, Result, Usage, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ensemble_parse._format import ResponseFormat

VERSION: Final = 1


def to_dict(result: Result[Any], format_: ResponseFormat[Any]) -> dict[str, Any]:
    """Write a result as JSON-like data; answers as the response type dumps them."""
    decision = result.decision
    output, exact = _written(result.output, format_)
    answers = [_written(each.output, format_) for each in result.candidates]
    at = next((i for i, each in enumerate(result.candidates) if each is decision.candidate), None)
    return {
        "version": VERSION,
        "name": result.name,
        "status": result.status,
        "output": output,
        "exact": exact and all(exact for _, exact in answers),
        "seconds": result.seconds,
        "decision": {**_told(decision), "candidate": at},
        "candidates": [
            {**_shallow(each), "output": answer}
            for each, (answer, _) in zip(result.candidates, answers, strict=True)
        ],
        "errors": [_error(error) for error in result.errors],
        "attempts": [dataclasses.asdict(attempt) for attempt in result.attempts],
        "reasons": [dataclasses.asdict(reason) for reason in result.reasons],
    }


def from_dict(data: Mapping[str, Any], type_: Any) -> Result[Any]:
    """Read what ``to_dict`` wrote.

    Raises:
        ConfigurationError: it was written by another version, or JSON could not hold its answers.
        ValidationError: an answer is none of this response type.
    """
    _check(data, "result")
    format_ = response_format(type_)
    candidates: tuple[Candidate[Any], ...] = tuple(
        Candidate(**{**each, "output": format_.read(each["output"])}) for each in data["candidates"]
    )
    stored: dict[str, Any] = data["decision"]
    at: int | None = stored["candidate"]
    output: Any = format_.read(data["output"]) if at is None else candidates[at].output
    read: dict[str, Any] = {**_read(stored), "output": output, "candidate": None if at is None else candidates[at]}
    read["response_format"] = format_
    decision: Decision[Any] = Decision(**read)
    return Result(
        output=decision.output,
        decision=decision,
        candidates=candidates,
        errors=tuple(_failed(each) for each in data["errors"]),
        attempts=tuple(_attempt(each) for each in data["attempts"]),
        reasons=_reasons(data["reasons"]),
        seconds=data["seconds"],
        name=data["name"],
        format=format_,
    )


def decision_to_dict(decision: Decision[Any]) -> dict[str, Any]:
    """Write a decision by itself as JSON-like data."""
    chosen, type_ = decision.candidate, decision.response_format
    output, exact = _written(decision.output, response_format(type(decision.output) if type_ is None else type_))
    return {
        "version": VERSION,
        "output": output,
        "exact": exact,
        **_told(decision),
        "candidate": None if chosen is None else {**_shallow(chosen), "output": output},
    }


def decision_from_dict(data: Mapping[str, Any], type_: Any) -> Decision[Any]:
    """Read what ``decision_to_dict`` wrote.

    Raises:
        ConfigurationError: it was written by another version, or JSON could not hold its output.
        ValidationError: the output is none of this type.
    """
    _check(data, "decision")
    format_ = response_format(type_)
    stored: dict[str, Any] = {name: value for name, value in data.items() if name not in ("version", "exact")}
    output: Any = format_.read(stored["output"])
    chosen: dict[str, Any] | None = stored["candidate"]
    candidate: Candidate[Any] | None = None if chosen is None else Candidate(**{**chosen, "output": output})
    read: dict[str, Any] = {**_read(stored), "output": output, "candidate": candidate, "response_format": format_}
    return Decision(**read)


def _written(value: Any, format_: ResponseFormat[Any]) -> tuple[Any, bool]:
    """Dump an answer, and say whether it comes back as it was: JSON has no secrets, and not every type."""
    data = format_.data(value)
    try:
        return data, same(format_.read(data), value)
    except Exception:  # noqa: BLE001 - a user's own validators
        return data, False


def _check(data: Mapping[str, Any], what: str) -> None:
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
        "reasons": [dataclasses.asdict(reason) for reason in decision.reasons],
        "verdicts": {path: dataclasses.asdict(verdict) for path, verdict in decision.verdicts.items()},
        "review": list(decision.review),
        "names": list(decision.names),
    }


def _read(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **stored,
        "reasons": _reasons(stored["reasons"]),
        "verdicts": {path: _verdict(each) for path, each in stored["verdicts"].items()},
        "review": tuple(stored["review"]),
        "names": tuple(stored["names"]),
    }


def _shallow(each: Any) -> dict[str, Any]:
    return {field.name: getattr(each, field.name) for field in dataclasses.fields(each)}


_TOLD: Final = ("processor", "retryable", "status_code", "retry_after", "refusal", "content_filter", "text")


def _error(error: ProcessorError) -> dict[str, Any]:
    told = {name: getattr(error, name) for name in _TOLD if hasattr(error, name)}
    return {"kind": error.kind, "message": str(error), **told, "attempts": [*map(dataclasses.asdict, error.attempts)]}


def _failed(data: Mapping[str, Any]) -> ProcessorError:
    kind = getattr(_errors, data["kind"], None)
    if not (isinstance(kind, type) and issubclass(kind, ProcessorError)):
        kind = ProcessorError  # a client's own, or no error at all
    error = kind(data["message"], attempts=tuple(_attempt(each) for each in data["attempts"]))
    for name in _TOLD:
        if name in data:
            setattr(error, name, data[name])
    return error


def _attempt(data: Mapping[str, Any]) -> Attempt:
    read: dict[str, Any] = {"usage": Usage(**data["usage"]), "dropped": tuple(data["dropped"])}
    return Attempt(**{**data, **read})


def _reasons(data: list[Mapping[str, Any]]) -> tuple[Reason, ...]:
    return tuple(Reason(**each) for each in data)


def _verdict(data: Mapping[str, Any]) -> Verdict:
    dissenters = tuple(Dissent(**each) for each in data["dissenters"])
    read: dict[str, Any] = {"supporters": tuple(data["supporters"]), "dissenters": dissenters}
    return Verdict(**{**data, **read})
