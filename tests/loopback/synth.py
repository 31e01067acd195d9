"""Example data from a JSON schema: the smallest honest answer, always the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_FORMATS = {
    "date": "2024-01-15",
    "date-time": "2024-01-15T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "user@example.com",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "binary": "ZXhhbXBsZQ==",
}
# Recursive types need an end; deeper than any schema a test writes by hand.
_DEPTH = 8

_Schema = Mapping[str, Any]


def example(schema: _Schema) -> object:
    """Build a value that satisfies ``schema``."""
    return _value(schema, schema, 0)


def _value(schema: _Schema, root: _Schema, depth: int) -> object:
    if "$ref" in schema:
        return _value(_resolve(schema["$ref"], root), root, depth)
    if "const" in schema:
        return schema["const"]
    given = schema.get("enum") or schema.get("examples")
    if given:
        return given[0]
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return _value(_branch(branches, depth), root, depth)
    if "allOf" in schema:
        return _value(_merged(schema, root), root, depth)
    return _typed(schema, root, depth)


def _typed(schema: _Schema, root: _Schema, depth: int) -> object:
    match _kind(schema):
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, depth)
        case "string":
            return _string(schema)
        case "integer" | "number" as kind:
            return _number(schema, whole=kind == "integer")
        case kind:
            return True if kind == "boolean" else None


def _kind(schema: _Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        # Gemini spells types in capitals.
        return kind.lower()
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _branch(branches: Sequence[_Schema], depth: int) -> _Schema:
    nulls = [one for one in branches if one.get("type") == "null"]
    if depth >= _DEPTH and nulls:
        return nulls[0]
    return next((one for one in branches if one.get("type") != "null"), branches[0])


def _resolve(ref: str, root: _Schema) -> _Schema:
    found: Any = root
    for step in ref.removeprefix("#").strip("/").split("/"):
        if step:
            found = found[step.replace("~1", "/").replace("~0", "~")]
    return found if isinstance(found, Mapping) else {}


def _merged(schema: _Schema, root: _Schema) -> _Schema:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        whole = _resolve(part["$ref"], root) if "$ref" in part else part
        properties = {**merged.get("properties", {}), **whole.get("properties", {})}
        required = [*merged.get("required", []), *whole.get("required", [])]
        merged |= whole
        if properties:
            merged |= {"properties": properties, "required": required}
    return merged


def _object(schema: _Schema, root: _Schema, depth: int) -> dict[str, object]:
    required = schema.get("required", ())
    return {
        name: _value(part, root, depth + 1)
        for name, part in schema.get("properties", {}).items()
        if depth < _DEPTH or name in required
    }


def _array(schema: _Schema, root: _Schema, depth: int) -> list[object]:
    fixed = [_value(part, root, depth + 1) for part in schema.get("prefixItems", ())]
    least = int(schema.get("minItems", 0))
    wanted = max(least, 0 if depth >= _DEPTH else min(1, int(schema.get("maxItems", 1))))
    items = schema.get("items")
    if not isinstance(items, Mapping):
        return fixed
    return fixed + [_value(items, root, depth + 1) for _ in range(wanted - len(fixed))]


def _string(schema: _Schema) -> str:
    text = _FORMATS.get(schema.get("format", ""), "example")
    most = schema.get("maxLength")
    return text.ljust(int(schema.get("minLength", 0)), "x")[: most if most is None else int(most)]


def _number(schema: _Schema, *, whole: bool) -> float:
    step: float = schema.get("multipleOf") or (1 if whole else 0.5)
    low: float = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high: float = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    if whole or "multipleOf" in schema:
        low += step if low == schema.get("exclusiveMinimum") else 0
        high -= step if high == schema.get("exclusiveMaximum") else 0
        value = math.ceil(max(1, low) / step) * step
        value = value if value <= high else math.floor(high / step) * step
        return int(value) if whole else float(value)
    if low < 1.5 < high:
        return 1.5
    if math.isinf(low) or math.isinf(high):
        return float(low + step if math.isinf(high) else high - step)
    return (low + high) / 2
