"""Parts of a JSON Schema put together: what a reference points to, and one schema that says what several say."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from ensemble_parse._json_leaves import unusable

ANNOTATIONS: Final = frozenset(
    {
        *("title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "strict"),
        *("$schema", "$id", "$comment", "$defs", "definitions", "discriminator", "$anchor", "$vocabulary"),
    }
)


def at(root: Any, pointer: Any, path: str) -> Any:
    """The part of a schema that a reference points to."""
    if not isinstance(pointer, str) or not pointer.startswith("#"):
        raise unusable(path, f"the reference {pointer!r} leads out of the schema")
    schema = root
    for step in unquote(pointer).split("/")[1:]:
        try:
            schema = schema[step.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError):
            raise unusable(path, f"the reference {pointer!r} leads nowhere") from None
    return schema


def merged(root: Any, schemas: list[dict[str, Any]], path: str) -> dict[str, Any]:
    """One schema that says what all of them say, references and ``allOf`` resolved; the first one's words win."""
    whole: dict[str, Any] = {}
    for each in schemas:
        inner: list[dict[str, Any]] = [*each.get("allOf", ())]
        if "$ref" in each:
            inner.append(at(root, each["$ref"], path))
        said = {key: value for key, value in each.items() if key not in {"$ref", "allOf"}}
        whole = _both(root, whole, said, path)
        if inner:
            whole = _both(root, whole, merged(root, inner, path), path)
    return whole


def _both(root: Any, one: dict[str, Any], other: dict[str, Any], path: str) -> dict[str, Any]:
    both = {**other, **one}
    for key in one.keys() & other.keys() - ANNOTATIONS:
        if key == "required":
            both[key] = [*one[key], *(each for each in other[key] if each not in one[key])]
        elif key == "properties":
            shared = one[key].keys() & other[key].keys()
            both[key] = {**one[key], **other[key]}
            both[key] |= {name: merged(root, [one[key][name], other[key][name]], f"{path}.{name}") for name in shared}
        elif one[key] != other[key]:
            raise unusable(path, f"two parts of it say different things of {key!r}")
    return both
