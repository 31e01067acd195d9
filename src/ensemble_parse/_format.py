"""What an answer must be: a Python type, its JSON Schema, and the way from a model's text to an object of that type."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, cast

from pydantic_core import ValidationError, to_jsonable_python

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._models import T
from ensemble_parse._repair import json_texts

if TYPE_CHECKING:
    from pydantic import BaseModel, TypeAdapter

REASONING: Final = "Think step by step: what in the input decides each value of the answer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[T]):
    """An answer that validated.

    Attributes:
        value: in the caller's own type.
        text: as the model wrote it.
        reasoning: what stood before the answer, with ``pass_reasoning``.
        repaired: whether the text was not plain JSON.
    """

    value: T
    text: str = ""
    reasoning: str | None = None
    repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResponseFormat(Generic[T]):
    """A response type prepared once, for every call that asks for it.

    Attributes:
        type: what the caller gave as ``response_format``.
        adapter: validates and dumps the type.
        name: a name that every vendor takes.
        schema: the JSON Schema that goes to the model; always an object.
        wrapper: the class around the answer on the wire, or ``None`` where the answer is itself an object.
        cache: what a client prepared for this format, so that it is prepared once.
    """

    type: Any
    adapter: TypeAdapter[T]
    name: str
    schema: dict[str, Any]
    wrapper: type[BaseModel] | None = None
    cache: dict[object, Any] = field(default_factory=dict[object, Any])

    def __reduce__(self) -> tuple[Any, ...]:
        """Prepare it anew where it is unpickled."""
        return _prepared, (self.type, self.reasoning, str(self.type))

    @property
    def reasoning(self) -> bool:
        """Whether the model is asked to reason before it answers."""
        return self.wrapper is not None and "reasoning" in self.wrapper.model_fields

    def parse(self, text: str) -> Parsed[T]:
        """Validate a model's text, as lax as pydantic's JSON mode is by default.

        What is not plain JSON is repaired locally first, which costs nothing: code fences, prose around the JSON,
        trailing commas, Python literals.

        Raises:
            ValidationError: no reading of the text validates.
        """
        errors: list[ValidationError] = []
        for repaired, reading in enumerate(json_texts(text)):
            try:
                value, reasoning = self._read(reading)
            except ValidationError as error:
                errors.append(error)
            else:
                if repaired and _says_nothing(value):
                    continue  # some other braces: a schema that was echoed, a placeholder
                return Parsed(value=value, text=text, reasoning=reasoning, repaired=bool(repaired))
        # What is wrong with the JSON says more than that it has prose around it.
        raise next((error for error in errors if error.errors()[0]["type"] != "json_invalid"), errors[0])

    def _read(self, text: str) -> tuple[T, str | None]:
        if self.wrapper is None:
            return self.adapter.validate_json(text), None
        try:
            wrapped = self.wrapper.model_validate_json(text)
        except ValidationError as error:
            # Models that do not constrain their output often leave the wrapper out. Where it is there, what is wrong is
            # inside of it: a type whose fields are all optional would take the wrapper itself for an empty answer.
            if self._left_out(error):
                try:
                    value = self.adapter.validate_json(text)
                except ValidationError:
                    pass
                else:
                    if not _says_nothing(value):
                        return value, None
            raise
        read: Any = wrapped  # its fields are only known at run time
        return read.answer, getattr(read, "reasoning", None)

    def _left_out(self, error: ValidationError) -> bool:
        first = error.errors(include_url=False, include_input=False, include_context=False)
        if any(each["loc"] == () or (each["type"], each["loc"]) == ("missing", ("answer",)) for each in first):
            return True
        # A user's own field may be called so.
        return "answer" in _object(self.schema["properties"]["answer"], self.schema).get("properties", {})

    def coerce(self, data: object) -> T:
        """Take an object of the type, or data that validates as one.

        Raises:
            ValidationError: it does not validate.
        """
        try:
            return self.adapter.validate_python(data, by_alias=True, by_name=True)
        except ValidationError as error:
            try:
                text = _json(data)
            except ValueError:  # such as bytes that are no text: it came from nowhere else
                raise error from None
            # What came from JSON has lists for sets and texts for dates and bytes.
            return self.adapter.validate_json(text, by_alias=True, by_name=True)

    def data(self, value: T) -> Any:
        """Dump a value as JSON-like data, with the names that fields have in Python."""
        # ``round_trip``: what is computed is not said, and what is stored must validate again.
        try:
            return self.adapter.dump_python(
                value, mode="json", by_alias=False, round_trip=True, warnings=False, fallback=repr
            )
        except ValueError:  # bytes that are no text
            return self._in_base64(value, by_alias=False)

    def _in_base64(self, value: T, *, by_alias: bool) -> Any:
        # First out of its models, which would write bytes as their own configuration says.
        plain: Any = self.adapter.dump_python(value, by_alias=by_alias, round_trip=True, warnings=False)
        return to_jsonable_python(plain, bytes_mode="base64", serialize_unknown=True)

    def read(self, data: object) -> T:
        """Validate what ``data`` dumped.

        Raises:
            ValidationError: it does not validate.
        """
        try:
            return self.adapter.validate_json(_json(data), by_alias=False, by_name=True)
        except ValidationError:
            return self.coerce(data)

    def text(self, value: T, reasoning: str | None = None) -> str:
        """Write a value as the model should have: one line of JSON, in the schema's order, wrapped as on the wire."""
        try:
            answer = self.adapter.dump_python(
                value, mode="json", by_alias=True, round_trip=True, warnings=False, fallback=repr
            )
        except ValueError:  # bytes that are no text
            answer = self._in_base64(value, by_alias=True)
        if self.wrapper is None:
            return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        return _json({"reasoning": reasoning, "answer": answer} if self.reasoning else {"answer": answer})


def response_format(type_: object, *, reasoning: bool = False) -> ResponseFormat[Any]:
    """Prepare a response type; the same type gives the same object again.

    Raises:
        ConfigurationError: no type adapter takes it, or it has no JSON Schema.
    """
    if isinstance(type_, ResponseFormat):
        return cast("ResponseFormat[Any]", type_)
    try:
        hash(type_)
    except TypeError:
        return _prepare(type_, reasoning=reasoning)
    # A | B equals B | A, and prefers another variant where both validate.
    return _prepared(type_, reasoning, str(type_))


def _prepare(type_: Any, *, reasoning: bool) -> ResponseFormat[Any]:
    # Imported with the first type: it takes longer than all of this library.
    from pydantic import BaseModel, PydanticUserError, TypeAdapter, create_model

    if inspect.isroutine(type_):
        raise _unusable(type_, "it is a function")
    if isinstance(type_, Mapping):
        raise _unusable(
            cast("object", type_), "it is data, such as a JSON Schema; pydantic.create_model makes a model at run time"
        )
    if type_ is None:
        raise _unusable(type_, "there is nothing to answer")
    if isinstance(type_, str | list | tuple):
        # Not shown: where the arguments were swapped, it is the prompt.
        message = (
            f"response_format is a {type(cast('object', type_)).__name__}: give the type itself, such as Invoice or "
            "list[Invoice]; the messages come before it"
        )
        raise ConfigurationError(message)
    if not isinstance(type_, type) and (is_dataclass(type_) or isinstance(type_, BaseModel)):
        kind = type(type_).__name__
        message = f"response_format is an object of {kind}; give the class, {kind}"
        raise ConfigurationError(message)
    name = _name(type_)
    try:
        adapter = TypeAdapter[Any](type_)
        schema = _root_object(adapter.json_schema())
    except (PydanticUserError, TypeError, NameError, AttributeError) as error:
        raise _unusable(type_, str(error).splitlines()[0].rstrip(".")) from error
    if not reasoning and schema.get("type") == "object":
        return ResponseFormat(type=type_, adapter=adapter, name=name, schema=schema)
    fields: dict[str, Any] = {"reasoning": (str, ...)} if reasoning else {}
    wrapper = create_model(name, **fields, answer=(type_, ...))
    return ResponseFormat(
        type=type_, adapter=adapter, name=name, schema=_wrapped(schema, name, reasoning=reasoning), wrapper=wrapper
    )


@functools.lru_cache(maxsize=512)
def _prepared(type_: Any, reasoning: bool, written: str) -> ResponseFormat[Any]:  # noqa: FBT001 - a key is positional
    del written
    return _prepare(type_, reasoning=reasoning)


def _unusable(type_: object, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"response_format {type_!r} cannot be used: {why}. Give a pydantic model, a dataclass, a TypedDict, list[X], "
        "Literal, Enum, a union or a primitive"
    )


def _name(type_: object) -> str:
    name = re.sub(r"\W+", "_", getattr(type_, "__name__", None) or "Answer", flags=re.ASCII).strip("_")
    return name[:64] or "Answer"


def _says_nothing(value: object) -> bool:
    """Whether a value took nothing from the text that it was read from."""
    fields = getattr(value, "model_fields_set", None)
    return value == {} if fields is None and isinstance(value, dict) else isinstance(fields, set) and not fields


def _object(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return root["$defs"][reference.removeprefix("#/$defs/")] if isinstance(reference, str) else schema


def _root_object(schema: dict[str, Any]) -> dict[str, Any]:
    # A recursive model's schema is only a reference; vendors want the object itself at the root.
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    definitions: Mapping[str, dict[str, Any]] = schema["$defs"]
    return {**definitions[reference.removeprefix("#/$defs/")], "$defs": definitions}


def _wrapped(schema: dict[str, Any], name: str, *, reasoning: bool) -> dict[str, Any]:
    answer = {key: value for key, value in schema.items() if key != "$defs"}
    properties: dict[str, Any] = {"answer": answer}
    if reasoning:
        # Before the answer: what a model writes after it cannot help it.
        properties = {"reasoning": {"type": "string", "description": REASONING}, **properties}
    whole: dict[str, Any] = {
        "title": name,
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }
    if "$defs" in schema:
        whole["$defs"] = schema["$defs"]
    return whole


def _json(data: object) -> str:
    return json.dumps(to_jsonable_python(data, by_alias=True), ensure_ascii=False)
