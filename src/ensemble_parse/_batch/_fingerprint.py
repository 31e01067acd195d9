"""What a journal's answers depend on, written so that a person can read what has changed, and without a key in it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typing_extensions

from ensemble_parse._consensus._annotations import is_record, unwrapped
from ensemble_parse._models import TRANSPORT
from ensemble_parse._processor import Processor
from ensemble_parse._rules import ON_CLASS, FieldRule
from ensemble_parse._stored import json_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from ensemble_parse._ensemble import Ensemble
    from ensemble_parse._format import ResponseFormat

_SECRET: Final = re.compile(
    r"key|token$|_token|secret|password|passwd|credential|auth|cookie|headers?$|signature", re.IGNORECASE
)
_TOKENS: Final = re.compile(r"max_\w*tokens?$|budget_tokens$")  # how many, not one
_READABLE: Final = 60  # characters; what is longer is a prompt, and only its digest is kept
_ASKED: Final = ("name", "model", "n", "weight", "mode")


def fingerprint(ensemble: Ensemble, format_: ResponseFormat[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Tell what was asked of whom: the type with its rules, the processors, the decision maker, the options.

    How patient the ensemble is, how many requests it makes at a time and where they go (``api_base``, headers, keys) is
    left out: a run may go on with another time limit, through another gateway, with a new key.
    """
    given = {name: value for name, value in options.items() if value not in (None, False)}
    return {
        "processors": [_written(each) for each in ensemble.processors],
        "decision_maker": _written(ensemble.decision_maker),
        "min_candidates": ensemble.min_candidates,
        "strict": ensemble.strict,
        "examples": _digest(ensemble.examples) if ensemble.examples else None,
        "shuffle_examples": ensemble.shuffle_examples,
        "params": _params(ensemble.params),
        "options": _params(given),
        "rules": dict(_rules(format_.type, "", set())),
        "schema": format_.schema,
    }


def differences(then: Any, now: Any, path: str = "") -> Iterator[str]:
    """Name the places at which two fingerprints differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        older, newer = cast("dict[str, Any]", then), cast("dict[str, Any]", now)
        for name in dict.fromkeys([*older, *newer]):
            yield from differences(older.get(name), newer.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(then, list) and isinstance(now, list):
        before, after = cast("list[Any]", then), cast("list[Any]", now)
        if len(before) != len(after):
            yield f"{path} was {_short(before)} and is {_short(after)}"
            return
        for number, (older, newer) in enumerate(zip(before, after, strict=True)):
            yield from differences(older, newer, f"{path}[{number}]")
    elif then != now:
        yield f"{path} was {_short(then)} and is {_short(now)}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(cast('list[Any]', value))}"
    if isinstance(value, dict):
        return "there"
    if value is None:
        return "not there"
    return repr(value) if len(str(value)) <= _READABLE else "another text"


def _written(value: Any) -> Any:  # noqa: PLR0911 - a case for each kind of setting
    """Write a setting so that it is the same text in another process."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= _READABLE and "\n" not in value else _digest(value)
    if isinstance(value, Processor):
        told = {name: getattr(value, name) for name in _ASKED}
        return {**told, "params": _params(value.params)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # What is at its default is left out, so that a setting that a later version adds is no difference.
        changed = {
            field.name: _written(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name == "model" or getattr(value, field.name) != field.default
        }
        return {"kind": type(value).__qualname__, **changed}
    if isinstance(value, Mapping):
        return _params(cast("Mapping[Any, Any]", value))
    if isinstance(value, list | tuple | set | frozenset):
        return [_written(each) for each in cast("list[Any]", value)]
    # An object of the user's own is known by its class: what it counts or keeps changes while it works.
    return getattr(value, "__qualname__", type(value).__qualname__)


def _params(params: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _written(value) for name, value in params.items() if not _hidden(str(name))}


def _hidden(name: str) -> bool:
    return name in TRANSPORT or bool(_SECRET.search(name) and not _TOKENS.search(name))


def _digest(value: Any) -> str:
    return f"sha256:{hashlib.sha256(json_bytes(value)).hexdigest()[:16]}"


def _rules(type_: Any, place: str, seen: set[Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the rules of a type and of all it holds, by class and field."""
    plain, marks = unwrapped(type_)
    if isinstance(plain, type):
        marks += getattr(plain, ON_CLASS, ())
    rules = [json_bytes(_written(rule)).decode() for rule in marks if isinstance(rule, FieldRule)]
    if rules:
        yield place, rules
    for number, inner in enumerate(typing.get_args(plain)):
        yield from _rules(inner, f"{place}[{number}]", seen)
    cls = typing.get_origin(plain) or plain
    if is_record(cls) and cls not in seen:
        seen.add(cls)
        for name, hint in _hints(cls).items():
            yield from _rules(hint, f"{cls.__name__}.{name}", seen)


def _hints(cls: Any) -> Mapping[str, Any]:
    if issubclass(cls, dict) or not hasattr(cls, "model_fields"):
        return typing_extensions.get_type_hints(cls, include_extras=True)
    fields: Mapping[str, FieldInfo] = cls.model_fields
    return {name: Annotated[info.annotation, None, *info.metadata] for name, info in fields.items()}
