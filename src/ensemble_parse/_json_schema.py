"""A Python type from a JSON Schema, so that what is asked for as data is decided on field by field, too.

Objects become pydantic models with the schema's own names; ``$ref``, ``anyOf``, ``oneOf``, ``allOf``, ``enum``,
``const``, ``nullable``, lists of types, tuples, limits and patterns become what they are in Python, and dates, times
and UUIDs their types. What is only annotation is carried along or ignored. A keyword that would let a wrong answer pass
if it were ignored, such as ``not`` or ``if``, is an error.

``oneOf`` is taken as ``anyOf``: that no other variant fits as well is not checked.
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, ForwardRef, Optional, Union, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    create_model,
    model_serializer,
    model_validator,
)
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import SchemaError

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._json_leaves import LIMITS, number, one_of, text, unique, unusable
from ensemble_parse._json_merge import ANNOTATIONS, at, merged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SerializerFunctionWrapHandler

_REFUSED: Final = frozenset(
    {
        *("not", "if", "then", "else", "contains", "propertyNames", "patternProperties"),
        *("dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems"),
        *("$dynamicRef", "$recursiveRef"),
    }
)
_UNIONS: Final = ("anyOf", "oneOf")


def type_of(schema: Mapping[str, Any], name: str = "Answer") -> Any:
    """Make a type that ``response_format`` takes; the same schema gives the same type again.

    Properties that are not required and not there are left out again where the answer is dumped.

    Args:
        schema: a JSON Schema; references must lie within it.
        name: of the type, where the schema has no title.

    Raises:
        ConfigurationError: it is no schema, or uses what has no counterpart; the message says where.

    Examples:
        >>> properties = {"name": {"type": "string"}, "born": {"type": "string", "format": "date"}}
        >>> Person = type_of({"type": "object", "properties": properties, "required": ["name"]})
        >>> Person(name="Ada", born="1815-12-10").born
        datetime.date(1815, 12, 10)
        >>> Person(name="Ada").model_dump_json()
        '{"name":"Ada"}'
    """
    try:
        written = json.dumps(schema)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"the JSON Schema is no JSON: {error}"
        raise ConfigurationError(message) from None
    return _type_of(written, name)


@functools.lru_cache(maxsize=256)
def _type_of(written: str, name: str) -> Any:
    try:
        return _Types(json.loads(written)).whole(name)
    except RecursionError:
        message = "the JSON Schema is nested too deeply"
    except PydanticUndefinedAnnotation:
        message = "the JSON Schema contains itself with no object in between"
    except (PydanticUserError, SchemaError, TypeError, AttributeError) as error:
        # Such as a limit that is no number, or properties that are no object.
        message = f"the JSON Schema cannot be used: {' '.join(str(error).split())}"
    raise ConfigurationError(message)


class _Object(BaseModel):
    """What the models made here have in common.

    What is not required and not there is not dumped. What is required and may be null is null where it is not there:
    that is how strict schemas say that something is missing, and models that are not held to them leave it out.
    """

    model_config = ConfigDict(protected_namespaces=())
    absent_: ClassVar[frozenset[str]] = frozenset()
    null_: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def with_nulls_(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not cls.null_:
            return cast("Any", data)
        return {**dict.fromkeys(cls.null_), **cast("dict[str, Any]", data)}

    @model_serializer(mode="wrap")
    def without_absent_(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = dump(self)
        return {name: value for name, value in dumped.items() if value is not None or name not in self.absent_}


class _Types:
    """The types of one schema."""

    def __init__(self, root: Any) -> None:
        """Begin with nothing."""
        self._root = root
        self._refs: dict[str, Any] = {}  # a pointer's type, or the promise of it while it is being made
        self._models: list[type[BaseModel]] = []

    def whole(self, name: str) -> Any:
        """The type of the whole schema, its references to itself filled in."""
        type_ = self._ref("#", "", name)
        promised = {_promise(pointer): made for pointer, made in self._refs.items()}
        for model in self._models:
            model.model_rebuild(force=True, _types_namespace=promised)
        TypeAdapter(type_).json_schema()  # finds what pydantic does not take now, not at the first answer
        return type_

    def _type(self, schema: Any, path: str, name: str) -> Any:  # noqa: C901, PLR0911, PLR0912 - a case for each kind
        if schema is True:
            return Any
        if not isinstance(schema, dict):
            raise unusable(path, f"{schema!r} is no schema that an answer could match")
        schema = cast("dict[str, Any]", schema)
        if refused := sorted(_REFUSED & schema.keys()):
            raise unusable(path, f"{refused[0]!r} is not supported: say it in a validator of a pydantic model")
        if schema.get("nullable") is True:
            return Optional[self._type({**schema, "nullable": False}, path, name)]  # noqa: UP045 - of a promise, too
        if "$ref" in schema:
            if not _says(schema, but={"$ref", "nullable"}):
                return self._ref(schema["$ref"], path, name)
            return self._type(merged(self._root, [schema], path), path, name)
        if "allOf" in schema:
            return self._type(merged(self._root, [schema], path), path, name)
        for keyword in _UNIONS:
            if keyword in schema:
                return self._union(schema, keyword, path, name)
        if "enum" in schema or "const" in schema:
            return one_of(schema["enum"] if "enum" in schema else [schema["const"]], path)
        kind = schema.get("type", _implied(schema))
        if isinstance(kind, list):
            kinds = cast("list[str]", kind)
            return _any_of([self._type({**schema, "type": each}, path, name) for each in kinds], path)
        match kind:
            case "object":
                return self._object(schema, path, name)
            case "array":
                return self._array(schema, path, name)
            case "string":
                return text(schema, path)
            case "integer" | "number":
                return number(schema, path)
            case "boolean":
                return bool
            case "null":
                return type(None)
            case None:
                return Any
            case _:
                raise unusable(path, f"there is no type {kind!r}")

    def _ref(self, pointer: str, path: str, name: str) -> Any:
        if pointer not in self._refs:
            self._refs[pointer] = ForwardRef(_promise(pointer))
            self._refs[pointer] = self._type(
                at(self._root, pointer, path), path, pointer.rpartition("/")[2].strip("#") or name
            )
        return self._refs[pointer]

    def _union(self, schema: dict[str, Any], keyword: str, path: str, name: str) -> Any:
        variants: list[Any] = schema[keyword]
        around = {key: value for key, value in schema.items() if key != keyword and key not in ANNOTATIONS}
        if around:
            variants = [merged(self._root, [around, each], path) for each in variants]
        return _any_of([self._type(each, path, f"{name}{number}") for number, each in enumerate(variants, 1)], path)

    def _array(self, schema: dict[str, Any], path: str, name: str) -> Any:
        least, most = schema.get("minItems"), schema.get("maxItems")
        if first := schema.get("prefixItems"):
            if schema.get("items", most == len(first)) not in {False, most == len(first)} or least != len(first):
                raise unusable(path, "a tuple must have a fixed length: 'items': false and 'minItems'")
            items = [self._type(each, f"{path}[{place}]", f"{name}{place}") for place, each in enumerate(first)]
            return tuple[tuple(items)]  # type: ignore[misc] # pyright: ignore[reportInvalidTypeArguments]
        item = self._type(schema.get("items", True), f"{path}[]", name.removesuffix("s"))
        marks: list[Any] = [Field(min_length=least, max_length=most)]
        if schema.get("uniqueItems"):
            marks += [AfterValidator(unique), Field(json_schema_extra={"uniqueItems": True})]
        return Annotated[(list[item], *marks)]  # type: ignore[valid-type]

    def _object(self, schema: dict[str, Any], path: str, name: str) -> Any:
        properties: dict[str, Any] = schema.get("properties", {})
        free: Any = schema.get("additionalProperties", not properties)
        required = set(schema.get("required", ()))
        if unknown := sorted(required - properties.keys()):
            properties = {**properties, **dict.fromkeys(unknown, True if free is False else free)}
        if not properties and free is not False:
            values = self._type(free, f"{path}{{}}", name)
            limits = Field(min_length=schema.get("minProperties"), max_length=schema.get("maxProperties"))
            return Annotated[dict[str, values], limits]  # type: ignore[valid-type]
        if schema.keys() & {"minProperties", "maxProperties"}:
            raise unusable(path, "a number of properties can be asked for where no property is named, only")
        return self._model(schema, properties, required, path, name)

    def _model(
        self, schema: dict[str, Any], properties: dict[str, Any], required: set[str], path: str, name: str
    ) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        absent: set[str] = set()
        null: set[str] = set()
        for key, each in properties.items():
            type_ = self._type(each, f"{path}.{key}".lstrip("."), f"{name}_{key}")
            told = cast("dict[str, Any]", each) if isinstance(each, dict) else {}
            field = _field_name(key, properties | fields)
            given: dict[str, Any] = {"alias": None if field == key else key, "description": told.get("description")}
            if key in required:
                fields[field] = (type_, Field(**given))
                if _takes_none(type_) and type_ is not Any:
                    null.add(key)
            elif "default" in told:
                fields[field] = (type_, Field(told["default"], **given))
            else:
                if not _takes_none(type_):
                    absent |= {field, key}
                fields[field] = (Optional[type_], Field(None, **given))  # noqa: UP045 - of a promise, too
        free = schema.get("additionalProperties")
        extra = self._type(free, f"{path}{{}}", name) if isinstance(free, dict) else bool(free) or free
        made: type[_Object] = create_model(
            _class_name(schema.get("title") or name),
            __base__=_extended(extra),
            __doc__=schema.get("description"),
            __module__=__name__,
            **fields,
        )
        made.absent_, made.null_ = frozenset(absent), frozenset(null)
        self._models.append(made)
        return made


def _extended(extra: Any) -> type[_Object]:
    """The base of models with further properties: none for ``False``, any for ``True`` or of a type, ignored ones."""
    names: dict[str, Any] = {"__module__": __name__, "model_config": ConfigDict(extra="allow")}
    if not extra:
        names["model_config"] = ConfigDict(extra="forbid" if extra is False else "ignore")
    elif extra is not True:
        names["__annotations__"] = {"__pydantic_extra__": dict[str, extra]}
    return type("_Object", (_Object,), names)


def _promise(pointer: str) -> str:
    return "ref_" + pointer.encode().hex()


def _says(schema: dict[str, Any], but: set[str]) -> bool:
    return bool(schema.keys() - ANNOTATIONS - but)


def _implied(schema: dict[str, Any]) -> str | None:
    """The type of a schema that names none, by the keywords that it uses."""
    kinds = {
        "object": {"properties", "additionalProperties", "required", "minProperties", "maxProperties"},
        "array": {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"},
        "string": {"minLength", "maxLength", "pattern", "format"},
        "number": LIMITS.keys(),
    }
    return next((kind for kind, keywords in kinds.items() if schema.keys() & keywords), None)


def _any_of(variants: list[Any], path: str) -> Any:
    if not variants:
        raise unusable(path, "there is nothing to choose from")
    return Union[tuple(variants)]  # noqa: UP007 - made at run time


def _takes_none(type_: Any) -> bool:
    return type_ is Any or type_ is type(None) or bool({type(None), None} & {*getattr(type_, "__args__", ())})


def _field_name(key: str, taken: Mapping[str, Any]) -> str:
    """The property's own name, unless pydantic needs it for something else."""
    name = key.lstrip("_") or "field"
    while (name != key and name in taken) or hasattr(_Object, name):
        name += "_"
    return name


def _class_name(title: str) -> str:
    name = re.sub(r"\W+", "_", title, flags=re.ASCII).strip("_")
    return name[:64] or "Answer"
