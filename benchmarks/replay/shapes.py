"""Response types, built from the fields and types that a set's ``schema_hint`` names.

Validation is as lenient as an extraction pipeline would make it: ``"$1,200.77"`` is a number, ``"12 months"`` a number
of months. What stays invalid after that is no candidate.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, create_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONFIG = ConfigDict(extra="forbid", coerce_numbers_to_str=True, populate_by_name=True)
MONEY = re.compile(r"^\(?\s*-?\s*[$€£]?\s*-?[\d,]*\.?\d+(?:e-?\d+)?\s*%?\)?$", re.IGNORECASE)


def number(value: object) -> object:
    """Read a number as people write it: currency signs, commas, brackets for minus; an empty text is ``None``."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text or text.casefold() in {"null", "none", "n/a", "-"}:
        return None
    if not MONEY.match(text):
        return value
    plain = re.sub(r"[^\d.eE]", "", text)
    return -float(plain) if "-" in text.split("e")[0] or text.startswith("(") else float(plain)


def whole_number(value: object) -> object:
    """Read the number in ``"12 months"``; a text without one is ``None``."""
    if not isinstance(value, str):
        return value
    found = re.match(r"\s*(\d+)\s*(?:months?)?\s*$", value)
    if found:
        return int(found[1])
    return value if re.search(r"\d", value) else None


def lower(value: object) -> object:
    """Read an option in any case."""
    return value.strip().casefold() if isinstance(value, str) else value


Number = Annotated[float, BeforeValidator(number)]
Integer = Annotated[int, BeforeValidator(number)]
Months = Annotated[int | None, BeforeValidator(whole_number)]

SIMPLE: Mapping[str, Any] = {
    "string": str,
    "string (ISO code)": str,
    "number": Number,
    "float": Number,
    "integer": Integer,
    "integer (months)": Months,
    "boolean": bool,
    "dict": dict[str, Any],
    "any": Any,
    "array of string": list[str],
}
NULLABLE: Mapping[Any, Any] = {
    Number: Annotated[float | None, BeforeValidator(number)],
    Integer: Annotated[int | None, BeforeValidator(number)],
}
KINDS: Mapping[Any, str] = {
    str: "text",
    Number: "number",
    Integer: "number",
    Months: "number",
    list[str]: "list",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A response type.

    Attributes:
        type: the type.
        paths: kind of field -> paths of the fields of that kind, as a mapping of rules names them.
        adapter: validates and dumps the type.
    """

    type: Any
    paths: Mapping[str, tuple[str, ...]]
    adapter: TypeAdapter[Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the adapter once."""
        object.__setattr__(self, "adapter", TypeAdapter(self.type))


def scalar(hint: str) -> Any:
    """Type of a leaf."""
    if hint.startswith("enum "):
        options = hint.removeprefix("enum ")
        if "|" in options:
            return Annotated[Literal[tuple(options.split("|"))], BeforeValidator(lower)]
        return Literal[tuple(options)]
    return SIMPLE[hint]


def kind_of(hint: str) -> str | None:
    """What kind of field a leaf is."""
    return "exact" if hint.startswith("enum ") or hint == "boolean" else KINDS.get(scalar(hint))


def elements(values: Iterable[object]) -> Any:
    """Type of the items of lists that say only that they are lists: the one that everything in them has."""
    types = {type(value) for value in values}
    if types == {str}:
        return str
    if types and types <= {int, float}:
        return float
    return Any


def paths(hints: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[str, ...]]:
    """Paths of the leaves of a record, by kind."""
    found: dict[str, list[str]] = {}
    for name, hint in hints.items():
        path = f"{prefix}{attribute(name)}"
        if isinstance(hint, dict):
            for kind, inner in paths(hint, f"{path}.").items():
                found.setdefault(kind, []).extend(inner)
            continue
        found_kind = "list" if hint in {"array", "tuple"} else kind_of(hint)
        if found_kind is not None:
            found.setdefault(found_kind, []).append(path)
    return {kind: tuple(inner) for kind, inner in found.items()}


def record(
    name: str, hints: Mapping[str, Any], *, optional: bool = False, lists: Mapping[str, Any] | None = None
) -> type[BaseModel]:
    """Build a model.

    Args:
        name: its name.
        hints: field -> type, or the hints of a nested record.
        optional: whether every field may be left out.
        lists: types of the lists whose hint does not say what is in them.
    """
    fields: dict[str, Any] = {}
    for field_name, hint in hints.items():
        kind: Any
        if isinstance(hint, dict):
            kind = record(f"{name}_{field_name}", hint, optional=optional, lists=lists)
        elif hint in {"array", "tuple"}:
            kind = (lists or {}).get(field_name, list[Any])
        else:
            kind = scalar(hint)
        default = None if optional else ...
        if optional:
            kind = NULLABLE.get(kind, kind | None)
        safe = attribute(field_name)
        fields[safe] = (kind, default if safe == field_name else Field(default=default, alias=field_name))
    return create_model(re.sub(r"\W", "_", name), __config__=CONFIG, **fields)


def attribute(name: str) -> str:
    """The name itself, where a class can have a field of this name."""
    usable = name.isidentifier() and not keyword.iskeyword(name) and name[0] != "_" and not hasattr(BaseModel, name)
    return name if usable else "field_" + re.sub(r"\W", "_", name)


def call(name: str, arguments: Mapping[str, Any], lists: Mapping[str, Any]) -> type[BaseModel]:
    """Build the model of a call of one function: its name and its arguments, any of which may be left out."""
    inner = record(f"{name}_arguments", arguments, optional=True, lists=lists)
    fields: dict[str, Any] = {"function": (Literal[(name,)], ...), "args": (inner, ...)}
    return create_model(re.sub(r"\W", "_", name), __config__=CONFIG, **fields)


def calls(functions: Mapping[str, Mapping[str, Any]], lists: Mapping[str, Any]) -> Any:
    """Build the union of the calls of several functions, told apart by the function's name."""
    models = tuple(call(name, arguments, lists) for name, arguments in functions.items())
    return models[0] if len(models) == 1 else Annotated[Union[models], Field(discriminator="function")]  # noqa: UP007


def sections(kinds: list[Any]) -> type[BaseModel]:
    """Build a document of sections, any of which may be left out."""
    fields: dict[str, Any] = {f"section_{place}": (kind | None, None) for place, kind in enumerate(kinds)}
    return create_model("Document", __config__=CONFIG, **fields)
