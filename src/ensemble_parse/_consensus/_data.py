"""Values without their types: as JSON-like data, in an order of their own, and by path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic_core import SchemaSerializer, core_schema, to_jsonable_python

from ensemble_parse._consensus._node import Collected, Leaf, Node, Record, Table, Union
from ensemble_parse._consensus._paths import entry, join
from ensemble_parse._consensus._values import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_UNPACK: Final = SchemaSerializer(core_schema.any_schema()).to_python


def by_text(items: Any) -> list[Any]:
    """Order the members of a set, whose own order changes from one run to the next."""
    return sorted(items, key=text_of)


def text_of(item: object) -> tuple[str, str]:
    """Say by what a member of a set is put in order."""
    return type(item).__name__, repr(item)


def data(value: Any) -> Any:
    """Dump a value as JSON-like data, whatever it is; sets in the order of their text."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, set | frozenset):
        value = by_text(value)
    elif value is MISSING:
        value = None
    try:
        return to_jsonable_python(value, by_alias=False, serialize_unknown=True)
    except ValueError:  # bytes that are no text
        pass
    try:
        # First out of its models, which would write bytes as their own configuration says.
        return to_jsonable_python(_UNPACK(value, by_alias=False), serialize_unknown=True, bytes_mode="base64")
    except (ValueError, TypeError):  # deeper than pydantic goes, or a set of what has no hash outside of its class
        return repr(value)


def leaves(node: Node, value: Any, path: str) -> Iterator[tuple[str, Node, Any]]:  # noqa: C901 - each kind of node
    """Yield the paths of a value on which there is nothing to decide, with the type of each."""
    if isinstance(node, Leaf) or node.whole:
        if value is not MISSING:
            yield path, node, value
    elif isinstance(node, Union):
        yield from leaves(node.pick(value), value, path)
    elif isinstance(node, Record):
        for part, each in zip(node.parts.values(), node.read(value), strict=True):
            yield from leaves(part.node, each, join(path, part.step))
    elif isinstance(node, Collected):
        yield path, node, value
        for at, each in enumerate(by_text(value) if node.kind == "set" else value):
            yield from leaves(node.item, each, join(path, at))
    elif isinstance(node, Table):
        if not node.bare:
            yield path, node, value
        for name, each in value.items():
            yield from leaves(node.item, each, entry(path, name))
