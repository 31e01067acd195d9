"""Answers as columns of Arrow: the type of a column follows from the response type, and never from what was answered.

Tables of other blocks, workers and runs then have the same columns, also where every answer is ``None`` or missing.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._stored import json_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ensemble_parse._format import ResponseFormat

_PLAIN: Final = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool_"}
_UNFIT: Final = (TypeError, ValueError, AttributeError, OverflowError)  # pyarrow's own errors are among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one value is kept.

    Attributes:
        type: makes the ``pyarrow.DataType``, of the module ``pyarrow``.
        put: turns JSON-like data, ``None`` included, into what Arrow takes for it.
        fields: the columns of its fields, where it is a record.
    """

    type: Callable[[Any], Any]
    put: Callable[[Any], Any]
    fields: Mapping[str, Column] | None = None


def arrow() -> Any:
    """Import pyarrow.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        return importlib.import_module("pyarrow")
    except ModuleNotFoundError:
        message = "a table of answers takes pyarrow: pip install 'ensemble-parse[ray]'"
        raise ConfigurationError(message) from None


def plain_column(name: str) -> Column:
    """Say how values are kept that Arrow has a type of this name for."""
    return Column(type=lambda arrow: getattr(arrow, name)(), put=lambda data: data)


def answer_column(format_: ResponseFormat[Any]) -> Column:
    """Say how answers of a response type are kept.

    Records are structs and lists are lists. What Arrow has no type for is JSON text: a dict with free keys, a tuple, a
    union, whatever contains itself.
    """
    from pydantic import PydanticUserError

    try:
        schema = format_.adapter.json_schema(by_alias=False, mode="serialization")
    except PydanticUserError:
        return _text()
    return _column(schema, schema.get("$defs", {}), frozenset())


def answer_data(format_: ResponseFormat[Any], value: Any) -> Any:
    """Dump an answer in the shape that its column has; what is computed is said, too."""
    return format_.adapter.dump_python(value, mode="json", by_alias=False, warnings=False, fallback=repr)


def array(column: Column, values: Sequence[Any]) -> tuple[Any, set[int]]:
    """Make an array of data.

    Returns:
        The array, and the places of what the column cannot hold, such as a whole number of more than 64 bits; there the
        array has null.
    """
    unfit: set[int] = set()
    try:
        return _array(column, values), unfit
    except _UNFIT:
        for place, value in enumerate(values):
            try:
                _array(column, [value])
            except _UNFIT:
                unfit.add(place)
    return _array(column, [None if place in unfit else value for place, value in enumerate(values)]), unfit


def _array(column: Column, values: Sequence[Any]) -> Any:
    return arrow().array([column.put(value) for value in values], column.type(arrow()))


def _column(schema: Mapping[str, Any], definitions: Mapping[str, Any], inside: frozenset[str]) -> Column:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in inside:
            return _text()
        return _column(definitions[reference.rpartition("/")[2]], definitions, inside | {reference})
    variants = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(variants) == 1:
        return _column(variants[0], definitions, inside)
    return _plain_or_built(schema, definitions, inside)


def _plain_or_built(schema: Mapping[str, Any], definitions: Mapping[str, Any], inside: frozenset[str]) -> Column:
    kind = schema.get("type")
    if kind in _PLAIN:
        return plain_column(_PLAIN[kind])
    if kind == "array" and "items" in schema and "prefixItems" not in schema:
        return _list(_column(schema["items"], definitions, inside))
    if kind == "object" and schema.get("properties") and not schema.get("additionalProperties"):
        return _record({name: _column(each, definitions, inside) for name, each in schema["properties"].items()})
    return _text()


def _list(item: Column) -> Column:
    def put(data: Any) -> Any:
        return None if data is None else [item.put(each) for each in data]

    return Column(type=lambda arrow: arrow.list_(item.type(arrow)), put=put)


def _record(fields: Mapping[str, Column]) -> Column:
    def put(data: Any) -> Any:
        return None if data is None else {name: each.put(data.get(name)) for name, each in fields.items()}

    def type_(arrow: Any) -> Any:
        return arrow.struct([(name, each.type(arrow)) for name, each in fields.items()])

    return Column(type=type_, put=put, fields=fields)


def _text() -> Column:
    def put(data: Any) -> Any:
        return None if data is None else json_bytes(data).decode()

    return Column(type=lambda arrow: arrow.string(), put=put)
