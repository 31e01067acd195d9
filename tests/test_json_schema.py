"""Types made of JSON Schemas: what they take, what they dump, and which schemas cannot be used."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ensemble_parse import ConfigurationError, Ensemble, Vote
from ensemble_parse._json_schema import type_of
from ensemble_parse.testing import ScriptedClient

NODE = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            },
            "required": ["value"],
            "additionalProperties": False,
        }
    },
}
ODD = [
    "json",
    "_x",
    "__x",
    "x",
    "model_config",
    "model_dump",
    "class",
    "first-name",
    "absent_",
    "null_",
    "",
    "schema",
    "_",
]


def obj(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    """An object's schema."""
    return {"type": "object", "properties": properties, "required": [*required], **more}


@pytest.mark.parametrize(
    ("schema", "taken", "refused"),
    [
        ({"type": "string"}, ["a", ""], [1, None]),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "abc"], ["a", "abcd"]),
        ({"type": "string", "pattern": "b"}, ["abc"], ["ac"]),
        ({"type": "string", "pattern": "a(?=b)"}, ["cab"], ["cac"]),
        ({"type": "string", "format": "email"}, ["a@b.c"], [1]),
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 3}, [1, 2], [0, 3, 1.5]),
        ({"type": "number", "multipleOf": 0.5}, [1, 1.5], [1.2]),
        ({"type": "boolean"}, [True], ["maybe"]),
        ({"type": "null"}, [None], [0]),
        ({}, [1, "a", None, {"a": [1]}], []),
        ({"type": ["string", "null"], "minLength": 2}, ["ab", None], ["a", 1]),
        ({"type": "string", "nullable": True}, ["a", None], [1]),
        ({"enum": ["a", 1, None]}, ["a", 1, None], ["b", 2]),
        ({"enum": [1.5, {"a": 1}, True]}, [1.5, {"a": 1}, True], [1, 2, {"a": 2}]),
        ({"const": "a"}, ["a"], ["b"]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}, [[1], [1, 2]], [[], [1, 2, 3]]),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, [[1, 2]], [[1, 1]]),
        ({"type": "array"}, [[1, "a"]], ["a"]),
        (
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "items": False},
            [[1, "a"]],
            [[1], [1, "a", 2]],
        ),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, [{}, {"a": 1}], [{"a": "x"}]),
        ({"type": "object", "minProperties": 1}, [{"a": [1]}], [{}]),
        ({"type": "object", "additionalProperties": False}, [{}], [{"a": 1}]),
        (obj({"a": {"type": "integer"}}, "a", additionalProperties=False), [{"a": 1}], [{}, {"a": 1, "b": 2}]),
        (obj({"a": {"type": "integer"}}, additionalProperties=True), [{}, {"a": 1, "b": 2}], [{"a": "x"}]),
        (obj({"a": {"type": "integer"}}, additionalProperties={"type": "integer"}), [{"b": 2}], [{"b": "x"}]),
        (obj({}, "a"), [{"a": [1]}], [{}]),
        (obj({name: {"type": "integer"} for name in ODD}), [dict.fromkeys(ODD, 1), {"_x": 2, "x": 3}], [{"json": "a"}]),
        (
            NODE,
            [{"value": 1, "children": [{"value": 2, "next": None}], "next": {"value": 3, "next": None}}],
            [{"value": 1, "x": 2}],
        ),
        (obj({"self": {"$ref": "#"}}), [{"self": {"self": {}}}], [{"self": 1}]),
        (
            {
                "allOf": [{"$ref": "#/definitions/A"}, obj({"b": {"type": "string"}, "a": {"minimum": 2}}, "b")],
                "definitions": {"A": obj({"a": {"type": "integer"}}, "a")},
            },
            [{"a": 2, "b": "x"}],
            [{"a": 1, "b": "x"}, {"a": 2}, {"b": "x"}],
        ),
        (
            {"oneOf": [obj({"kind": {"const": "a"}, "x": {"type": "integer"}}, "kind", "x"), {"type": "string"}]},
            [{"kind": "a", "x": 1}, "text"],
            [{"kind": "b", "x": 1}, 1],
        ),
        ({"type": "string", "anyOf": [{"maxLength": 1}, {"pattern": "^x"}]}, ["a", "xyz"], ["abc"]),
        (
            {
                "properties": {"a": {"$ref": "#/$defs/A", "maxLength": 2}},
                "$defs": {"A": {"type": "string", "title": "A"}},
            },
            [{"a": "ab"}],
            [{"a": "abc"}],
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/x~1y%25"}}, "$defs": {"x/y%": {"type": "null"}}},
            [{"a": None}],
            [{"a": 1}],
        ),
    ],
)
def test_what_a_type_takes_and_dumps(schema: dict[str, Any], taken: list[Any], refused: list[Any]) -> None:
    """It takes what the schema takes and nothing else, and what it dumps is what it took."""
    adapter = TypeAdapter[Any](type_of(schema))
    for value in taken:
        dumped = json.loads(adapter.dump_json(adapter.validate_json(json.dumps(value)), by_alias=True))
        assert dumped == value
        jsonschema.validate(dumped, {key: each for key, each in schema.items() if key != "nullable"} | _null(schema))
    for value in refused:
        with pytest.raises(ValidationError):
            adapter.validate_json(json.dumps(value))


def _null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": [schema["type"], "null"]} if schema.get("nullable") else {}


@pytest.mark.parametrize(
    ("format_", "text", "value"),
    [
        ("date", "2026-11-22", dt.date(2026, 11, 22)),
        ("date-time", "2026-11-22T10:00:00Z", dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)),
        ("time", "10:30:00", dt.time(10, 30)),
        ("duration", "PT1H", dt.timedelta(hours=1)),
        ("uuid", "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
    ],
)
def test_formats_are_types(format_: str, text: str, value: object) -> None:
    """What a format says is compared as what it is, and dumped as it was written."""
    adapter = TypeAdapter[Any](type_of({"type": "string", "format": format_}))
    assert adapter.validate_python(text) == value
    assert adapter.dump_python(value, mode="json") == text


def test_what_may_be_null_may_be_left_out() -> None:
    """Strict schemas require everything; a model that leaves out what is null has not answered wrongly."""
    nullable = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    strict = obj({"a": {"type": "integer"}, "b": nullable}, "a", "b", additionalProperties=False)
    assert type_of(strict)(a=1).model_dump() == {"a": 1, "b": None}
    assert type_of(strict).model_json_schema()["required"] == ["a", "b"]
    with pytest.raises(ValidationError):
        type_of(strict)(b=None)


def test_defaults_and_descriptions_are_kept() -> None:
    """What tells a model what to write goes to it, and a default stands where nothing is said."""
    schema = obj(
        {"a": {"type": "integer", "default": 3, "description": "How many."}}, title="Count", description="All."
    )
    made = type_of(schema)
    assert made().model_dump() == {"a": 3}
    told = made.model_json_schema()
    assert (told["title"], told["description"], told["properties"]["a"]["description"]) == (
        "Count",
        "All.",
        "How many.",
    )


def test_the_same_schema_is_the_same_type() -> None:
    """A schema that comes with every request is converted once."""
    assert type_of(obj({"a": {}})) is type_of(obj({"a": {}}))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (obj({"a": {"not": {"type": "string"}}}), "a: 'not' is not supported"),
        (obj({"a": {"items": {"type": "array", "contains": {}}}}), r"a\[\]: 'contains' is not supported"),
        ({"type": "thing"}, "no type 'thing'"),
        (obj({"a": False}), "a: False is no schema"),
        (obj({"a": 3}), "a: 3 is no schema"),
        ([], "is no schema"),
        ({"$ref": "https://example.org/x"}, "leads out of the schema"),
        ({"$ref": "#/$defs/x"}, "leads nowhere"),
        ({"anyOf": []}, "nothing to choose from"),
        ({"enum": []}, "nothing to choose from"),
        ({"type": "string", "pattern": "("}, "the pattern is none"),
        ({"type": "string", "minLength": "x"}, "cannot be used"),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, "since draft 6"),
        ({"type": "array", "items": {"$ref": "#"}}, "cannot be used|no object in between"),
        ({"properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}]}}}, "no object in between"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "different things of 'type'"),
        ({"type": "array", "prefixItems": [{}]}, "a tuple must have a fixed length"),
        (obj({"a": {}}, minProperties=1), "a number of properties"),
        ({"required": 3}, "cannot be used"),
        ({"properties": 3}, "cannot be used"),
        ({"enum": {1, 2}}, "no JSON"),
    ],
)
def test_what_cannot_be_used(schema: Any, said: str) -> None:
    """What would let a wrong answer pass, or is no schema, is an error that says where."""
    with pytest.raises(ConfigurationError, match=said):
        type_of(schema)


def test_a_schema_without_end_is_refused() -> None:
    """A schema that somebody sends cannot take the process down."""
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"type": "array", "items": deep}
    with pytest.raises(ConfigurationError, match=r"nested too deeply|cannot be used"):
        type_of(deep)
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        type_of({"$ref": "#", "maxLength": 1})


class Item(BaseModel):
    """What an order is made of."""

    name: str = Field(min_length=1)
    price: Decimal = Field(ge=0)
    kind: Literal["part", "whole"] = "part"


class Order(BaseModel):
    """Most of what pydantic writes into its schemas."""

    id: uuid.UUID
    day: dt.date | None = None
    items: list[Item]
    first: Item | None = None
    tags: set[str] = set()
    notes: dict[str, Annotated[int, Field(gt=0)]] = {}
    pair: tuple[int, str] = (1, "a")


@given(st.builds(Order, items=st.lists(st.builds(Item, name=st.text(min_size=1), price=st.integers(0, 9)), max_size=3)))
def test_what_pydantic_writes_is_read(order: Order) -> None:
    """The schema of a pydantic model gives a type that takes what the model dumps, and dumps the same."""
    made = TypeAdapter[Any](type_of(Order.model_json_schema()))
    dumped = made.dump_json(made.validate_json(order.model_dump_json()), by_alias=True)
    assert Order.model_validate_json(dumped) == order


def test_it_is_decided_field_by_field() -> None:
    """An ensemble votes on the fields of a made type, those that are missing included, and keeps to the schema."""
    schema = obj({"number": {"type": "string"}, "total": {"type": "number"}, "note": {"type": "string"}}, "number")
    script = {
        "a/a": [{"number": "1", "total": 2}],
        "b/b": [{"number": "1", "total": 3}],
        "c/c": [{"number": "2", "total": 2}],
    }
    result = Ensemble(list(script), Vote(), client=ScriptedClient(script)).run_sync("Go", type_of(schema))
    assert result.output.model_dump() == {"number": "1", "total": 2}
    assert result.decision.verdicts["number"].agreement == pytest.approx(2 / 3)
    assert result.decision.verdicts["note"].value is None
