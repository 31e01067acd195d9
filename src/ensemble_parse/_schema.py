"""JSON Schema as vendors take it: the strict form, and what keeps a schema from having one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# What OpenAI's strict mode refuses or ignores. The limit moves into the description, where the model still reads it,
# and is enforced by validation on our side.
_INTO_DESCRIPTION: Final = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "uniqueItems": "no item twice",
    "minProperties": "at least {} entries",
    "maxProperties": "at most {} entries",
}
_COMPOSITION: Final = ("allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")
_MOST_LEVELS: Final = 10
_MOST_PROPERTIES: Final = 5000


class Strictness:
    """The strict form of one schema, and the reasons why it may have none.

    In the strict form every object is closed, every property is required, and unions are ``anyOf``; a model constrained
    to it cannot leave a field out or invent one. ``portable=True`` also takes out the keywords that OpenAI's own
    service refuses; servers that constrain by a grammar enforce them, so there they stay.

    Attributes:
        schema: the strict form, or ``None`` where there is none.
        problems: path -> why the schema cannot be strict there.
    """

    def __init__(self, schema: Mapping[str, Any], *, portable: bool) -> None:
        """Convert a schema, whose ``$defs`` stand at its root."""
        self._root = schema
        self._portable = portable
        self._properties = 0
        self.problems: dict[str, str] = {}
        strict = self._convert(schema, "", 1)
        if definitions := schema.get("$defs"):
            strict["$defs"] = {name: self._convert(each, name, 1) for name, each in definitions.items()}
        if self._properties > _MOST_PROPERTIES:
            self.problems[""] = f"{self._properties} properties in all; at most {_MOST_PROPERTIES} can be strict"
        self.schema: dict[str, Any] | None = None if self.problems else strict

    def _convert(self, schema: Mapping[str, Any], path: str, level: int) -> dict[str, Any]:
        out = {key: value for key, value in schema.items() if key not in {"$defs", "discriminator", "default"}}
        if "$ref" in out and len(out) > 1:
            # A reference takes no sibling, such as a description, in strict mode: put the target in its place.
            target = self._root["$defs"][out.pop("$ref").removeprefix("#/$defs/")]
            return self._convert({**target, **out}, path, level)
        if "$ref" in out:
            return out
        if level > _MOST_LEVELS:
            self.problems[path] = f"nested deeper than {_MOST_LEVELS} levels"
            return out
        if "default" in schema and schema["default"] is not None:
            self._describe(out, f"default: {schema['default']}")
        self._unions(out, path, level)
        self._object(out, path, level)
        self._array(out, path, level)
        self._limits(out)
        for keyword in _COMPOSITION:
            if keyword in out:
                self.problems[path] = f"uses {keyword!r}, which strict mode does not take"
        if not out.keys() & {"type", "enum", "const", "anyOf"}:
            self.problems[path] = "has no type (Any): say what it holds"
        return out

    def _unions(self, out: dict[str, Any], path: str, level: int) -> None:
        if len(single := out.get("allOf", ())) == 1:
            del out["allOf"]
            out.update(self._convert(single[0], path, level))
        variants = out.pop("oneOf", None) or out.get("anyOf")
        if variants:
            out["anyOf"] = [self._convert(variant, path, level) for variant in variants]

    def _object(self, out: dict[str, Any], path: str, level: int) -> None:
        if out.get("type") != "object":
            return
        properties: Mapping[str, Any] = out.get("properties", {})
        if out.get("additionalProperties") or "patternProperties" in out or not properties:
            self.problems[path] = (
                "is a mapping with free keys: name the keys in a model, or use a list of key and value"
            )
            return
        self._properties += len(properties)
        out["properties"] = {
            name: self._convert(each, f"{path}.{name}".lstrip("."), level + 1) for name, each in properties.items()
        }
        out["required"] = list(properties)
        out["additionalProperties"] = False

    def _array(self, out: dict[str, Any], path: str, level: int) -> None:
        if "prefixItems" in out:
            self.problems[path] = "is a tuple: use a model with named fields, or a list"
        elif out.get("type") == "array":
            if "items" not in out:
                self.problems[path] = "is a list of anything: say what the items are"
            else:
                out["items"] = self._convert(out["items"], f"{path}[]", level)

    def _limits(self, out: dict[str, Any]) -> None:
        if not self._portable:
            return
        for keyword, words in _INTO_DESCRIPTION.items():
            if keyword in out:
                self._describe(out, words.format(out.pop(keyword)))

    @staticmethod
    def _describe(out: dict[str, Any], words: str) -> None:
        out["description"] = f"{out['description']} ({words})" if "description" in out else f"({words})"
