"""From a model's text to an object: local repair, prepared types, strict schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from ensemble_parse import Ensemble, ResponseFormat
from ensemble_parse._format import response_format
from ensemble_parse._schema import Strictness
from ensemble_parse.testing import ScriptedClient


class Item(BaseModel):
    """A thing with a price."""

    name: str
    price: float = 0.0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"name": "a"}', "a"),
        ('  \n{"name": "a"}\n ', "a"),
        ('```json\n{"name": "a"}\n```', "a"),
        ('```\n{"name": "a"}\n```', "a"),
        ('Sure! Here it is: {"name": "a"} Anything else?', "a"),
        ('{"name": "a",}', "a"),
        ('{"name": "a", "price": 1,\n}', "a"),
        ('{"name": "x, }", }', "x, }"),
        ("{'name': 'a', 'price': None or 1}", None),
        ("{'name': 'a', 'price': 2}", "a"),
        ('First I thought {"name": "draft"}, but it is {"name": "final"}.', "final"),
        ('I saw [1] and [2]. {"name": "a"}', "a"),
        ('a smile :-} and {"name": "a"}', "a"),
        ('mismatched {] then {"name": "a"}', "a"),
        ('{"name": "with \\" quote and } brace"}', 'with " quote and } brace'),
        ('{"name": "cut o', None),
        ('{"outer": {"name": "inner"}, "cut', None),
        ("", None),
        ("no JSON at all", None),
        ('{"price": 1}', None),
    ],
)
def test_local_repair(text: str, name: str | None) -> None:
    """Fences, prose, trailing commas and Python literals are read; what is cut off or missing is never made up."""
    client = ScriptedClient({"a/b": [text]})
    ensemble = Ensemble(["a/b"], client=client)
    if name is None:
        with pytest.raises(ExceptionGroup):
            ensemble.parse_sync("Go", Item)
    else:
        result = ensemble.run_sync("Go", Item)
        assert result.output.name == name
        assert result.candidates[0].text == text


def test_the_error_is_about_the_answer() -> None:
    """What is reported is what is wrong with the JSON, not that there is prose around it."""
    with pytest.raises(ValidationError) as wrong:
        response_format(Item).parse('Here: {"price": "much"}')
    assert {each["loc"][0] for each in wrong.value.errors()} == {"name", "price"}


def test_a_type_is_prepared_once() -> None:
    """The same type gives the same prepared format; an unhashable one is prepared anew."""
    assert response_format(Item) is response_format(Item)
    assert response_format(list[Item]) is response_format(list[Item])
    assert response_format(Item, reasoning=True) is not response_format(Item)
    assert isinstance(response_format(Annotated[int, Field(json_schema_extra={})]), ResponseFormat)
    prepared = response_format(Item)
    assert response_format(prepared) is prepared


def test_a_wrapper_that_was_left_out_is_forgiven() -> None:
    """Models that are not constrained often answer with the bare value."""
    assert response_format(list[int]).parse("[1, 2]").value == [1, 2]
    assert response_format(Item, reasoning=True).parse('{"name": "a"}').reasoning is None


def test_the_callers_own_strictness_holds() -> None:
    """Validation is as lax as pydantic's default, unless the model says otherwise."""

    class Lax(BaseModel):
        n: int

    class Strict(BaseModel, strict=True):
        n: int

    assert response_format(Lax).parse('{"n": "36"}').value.n == 36
    with pytest.raises(ValidationError):
        response_format(Strict).parse('{"n": "36"}')


class Node(BaseModel):
    """Recursive."""

    value: Annotated[str, Field(min_length=1, max_length=9)]
    next: Optional["Node"] = None


class Shapes(BaseModel):
    """Everything that has a strict form."""

    kind: Literal["a", "b"] = "a"
    node: Annotated[Node, Field(description="the first")]
    either: int | Item | None = None
    tagged: Annotated["Cat | Dog", Field(discriminator="says")]
    many: Annotated[list[Item], Field(max_length=3)]


class Cat(BaseModel):
    """One variant."""

    says: Literal["meow"]


class Dog(BaseModel):
    """Another."""

    says: Literal["woof"]


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every object schema in a schema."""
    found = [schema] if isinstance(schema, dict) and schema.get("type") == "object" else []
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return found + [each for part in parts for each in objects(part)]


@pytest.mark.parametrize("portable", [True, False])
def test_strict_schemas(*, portable: bool) -> None:
    """Every object is closed, everything is required, unions are anyOf, and limits go where they are taken."""
    strictness = Strictness(response_format(Shapes).schema, portable=portable)
    assert strictness.problems == {}
    schema = strictness.schema
    assert schema is not None
    for each in objects(schema):
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])
    text = repr(schema)
    for word in ("oneOf", "allOf", "discriminator'", "'default'"):
        assert word not in text
    value = schema["$defs"]["Node"]["properties"]["value"]
    assert ("maxLength" in value) is not portable
    assert ("at most 9 characters" in value.get("description", "")) is portable
    assert schema["properties"]["many"]["maxItems"] == 3
    assert schema["properties"]["node"]["description"] == "the first"


@pytest.mark.parametrize(
    ("type_", "path", "why"),
    [
        (dict[str, int], "", "free keys"),
        (list[dict[str, int]], "answer[]", "free keys"),
        (tuple[int, str], "answer", "tuple"),
        (list[Any], "answer[]", "no type"),
        (list, "answer[]", "no type"),
    ],
)
def test_what_has_no_strict_form(type_: Any, path: str, why: str) -> None:
    """Each reason is given with its path."""
    strictness = Strictness(response_format(type_).schema, portable=True)
    assert strictness.schema is None
    assert why in strictness.problems[path]


def test_deep_and_wide_schemas_are_not_strict() -> None:
    """The limits of depth and of the number of properties are known."""
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(11):
        deep = {"type": "object", "properties": {"in": deep}}
    assert "deeper than 10" in next(iter(Strictness(deep, portable=True).problems.values()))
    wide = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(5001)}}
    assert "5001 properties" in Strictness(wide, portable=True).problems[""]
    odd = {"type": "object", "properties": {"x": {"type": "string", "not": {}}}}
    assert "'not'" in Strictness(odd, portable=True).problems["x"]


def test_user_validators_decide() -> None:
    """A candidate that the caller's own validator refuses is no candidate."""

    class Even(BaseModel):
        n: int

        @field_validator("n")
        @classmethod
        def even(cls, n: int) -> int:
            if n % 2:
                message = "must be even"
                raise ValueError(message)
            return n

    client = ScriptedClient({"a/b": ['{"n": 3}'], "c/d": ['{"n": 3}', '{"n": 4}']})
    result = Ensemble(["a/b", "c/d"], client=client).run_sync("Go", Even)
    assert result.output.n == 4
    assert [error.processor for error in result.errors] == ["a/b"]


def test_unions_keep_their_order() -> None:
    """``A | B`` equals ``B | A`` for Python, and is another type for whoever prefers the first."""

    class A(BaseModel):
        x: int = 0

    class B(BaseModel):
        x: int = 0

    assert isinstance(response_format(A | B).parse('{"answer": {"x": 1}}').value, A)
    assert isinstance(response_format(B | A).parse('{"answer": {"x": 1}}').value, B)
