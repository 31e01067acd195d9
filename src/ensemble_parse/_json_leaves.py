"""The leaves of a JSON Schema as Python types: texts, numbers, lists of values; patterns and limits included."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, TypeAdapter
from pydantic_core import SchemaError

from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FORMATS: Final[Mapping[str, type]] = {
    "date": dt.date,
    "date-time": dt.datetime,
    "time": dt.time,
    "duration": dt.timedelta,
    "uuid": uuid.UUID,
}
LIMITS: Final[Mapping[str, str]] = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}


def unusable(path: str, why: str) -> ConfigurationError:
    """Say where a schema has what cannot be used, and why."""
    return ConfigurationError(f"the JSON Schema cannot be used: {path or 'the whole'}: {why}")


def one_of(values: list[Any], path: str) -> Any:
    """One of these values, told apart by type, too."""
    if not values:
        raise unusable(path, "there is nothing to choose from")
    if all(isinstance(value, str | int | None) for value in values):
        return Literal[tuple(values)]

    def listed(value: object) -> object:
        if not any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in values):
            message = "not one of the values that the schema lists"
            raise ValueError(message)
        return value

    return Annotated[Any, AfterValidator(listed), Field(json_schema_extra={"enum": values})]


def text(schema: dict[str, Any], path: str) -> Any:
    """A text, or what its format says it holds."""
    limits: dict[str, Any] = {"min_length": schema.get("minLength"), "max_length": schema.get("maxLength")}
    format_: Any = schema.get("format")
    pattern: Any = schema.get("pattern")
    if not any((*limits.values(), pattern)) and format_ in _FORMATS:
        return _FORMATS[format_]
    marks: list[Any] = []
    extra = {} if format_ is None else {"format": format_}
    if pattern is not None:
        try:
            TypeAdapter(Annotated[str, Field(pattern=pattern)])
            limits["pattern"] = pattern
        except SchemaError:  # such as a look-ahead, which pydantic's own schemas have
            marks.append(AfterValidator(_matching(pattern, path)))
            extra["pattern"] = pattern
    if extra or any(limit is not None for limit in limits.values()):
        marks.append(Field(**limits, json_schema_extra=extra or None))
    return Annotated[(str, *marks)] if marks else str


def _matching(pattern: str, path: str) -> Callable[[str], str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise unusable(path, f"the pattern is none: {error}") from None

    def matching(text: str) -> str:
        if not compiled.search(text):
            message = "does not match the pattern"
            raise ValueError(message)
        return text

    return matching


def number(schema: dict[str, Any], path: str) -> Any:
    """An integer, or a number that may have a fraction."""
    limits = {ours: schema[theirs] for theirs, ours in LIMITS.items() if theirs in schema}
    if any(isinstance(limit, bool) for limit in limits.values()):
        raise unusable(path, "'exclusiveMinimum' and 'exclusiveMaximum' are numbers since draft 6")
    kind = int if schema.get("type") == "integer" else float
    return Annotated[kind, Field(**limits)] if limits else kind


def unique(items: list[Any]) -> list[Any]:
    """Refuse a list with an item twice."""
    if any(item in items[:at] for at, item in enumerate(items)):
        message = "an item twice"
        raise ValueError(message)
    return items
