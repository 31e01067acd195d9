"""Types with named parts: models, dataclasses, TypedDicts, named and fixed tuples; how to read and to make them."""

from __future__ import annotations

import dataclasses
import operator
import typing
from typing import TYPE_CHECKING, Any, Final, cast

import typing_extensions

from ensemble_parse._consensus._annotations import filled_in
from ensemble_parse._consensus._node import Node, Part, Record, Table, record_key
from ensemble_parse._consensus._paths import did_you_mean
from ensemble_parse._consensus._unions import optional
from ensemble_parse._consensus._values import MISSING
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._rules import ON_CLASS, Together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ensemble_parse._consensus._paths import PathRules
    from ensemble_parse._consensus._shape import Compiler

EXTRA: Final = "(extra)"
"""The part of a model that holds the fields it was given beyond its own."""


def record_of(compiler: Compiler, node: Record, path: str, paths: PathRules | None) -> None:
    """Fill a record's node in: it exists already, since its parts may contain it."""
    from pydantic import BaseModel

    origin: Any = typing.get_origin(node.type) or node.type
    if issubclass(origin, BaseModel):
        _model(compiler, node, path, paths)
    elif origin is tuple:
        for at, each in enumerate(typing.get_args(node.type)):
            _part(compiler, node, at, each, path, paths, step=at)
        node.make, node.validates = _in_order(tuple), False
    elif dataclasses.is_dataclass(origin):
        hints = _hints(node.type)
        for each in dataclasses.fields(origin):
            if each.init:
                part = _part(compiler, node, each.name, hints[each.name], path, paths)
                part.factory = each.default_factory if callable(each.default_factory) else None
        node.read, node.make = _attributes(node), validated(node.type)
        _open(compiler, node, path, vars)
    elif typing_extensions.is_typeddict(origin):
        _typed_dict(compiler, node, path, paths)
    else:
        hints = _hints(node.type)
        for at, name in enumerate(origin._fields):  # the public name of it, in spite of the underscore
            _part(compiler, node, name, hints.get(name, Any), path, paths, step=name if hints else at)
        node.make, node.validates = _in_order(origin._make), False
    node.key = record_key(node)
    _groups(node, origin, path)


def _model(compiler: Compiler, node: Record, path: str, paths: PathRules | None) -> None:
    from pydantic import RootModel

    cls = node.type
    if not cls.__pydantic_complete__:
        cls.model_rebuild()
    for name, info in cls.model_fields.items():
        type_: Any = typing.Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        part = _part(compiler, node, name, type_, path, paths, transparent=issubclass(cls, RootModel))
        part.fresh, part.description = (info.default_factory is not None, info.description)
    node.read, node.make = _attributes(node), lambda parts: _make_model(cls, parts)
    if cls.model_config.get("extra") == "allow":
        _extra(compiler, node, path, lambda value: value.__pydantic_extra__ or {})
    node.given = lambda value: value.model_fields_set


def _make_model(cls: Any, parts: Mapping[str, Any]) -> Any:
    from pydantic import RootModel

    if issubclass(cls, RootModel):
        return cast("Any", cls.model_validate(parts["root"]))
    own = {name: value for name, value in parts.items() if name != EXTRA}
    extra: Mapping[str, Any] = parts.get(EXTRA, {})
    made = cls.model_validate({**extra, **own}, by_alias=False, by_name=True)
    for name in own.keys() & extra.keys():  # a field with an alias, and next to it something of the field's own name
        made.__pydantic_extra__[name] = extra[name]
    return made


def _open(compiler: Compiler, node: Record, path: str, whole: Callable[[Any], Mapping[str, Any]]) -> None:
    """Let what is given beyond the declared parts be a part, where a dataclass or TypedDict takes it."""
    origin = typing.get_origin(node.type) or node.type
    if getattr(origin, "__pydantic_config__", {}).get("extra") != "allow":
        return
    declared = [*map(str, node.parts)]
    _extra(
        compiler, node, path, lambda value: {name: each for name, each in whole(value).items() if name not in declared}
    )
    make = node.make
    node.make = lambda parts: make({**parts.get(EXTRA, {}), **{name: parts[name] for name in declared}})


def _extra(compiler: Compiler, node: Record, path: str, beyond: Callable[[Any], Mapping[str, Any]]) -> None:
    # Undeclared, so keyed by what they are, and a path of the mapping may name any of them.
    read = node.read
    node.parts[EXTRA] = Part(step=None, node=compiler.node(dict[str, Any], path=path))
    table = node.parts[EXTRA].node
    assert isinstance(table, Table)  # noqa: S101 - compiled from a dict
    table.name, table.bare = compiler.node(str, path=path), True
    node.read = lambda value: [*read(value), beyond(value)]


def _typed_dict(compiler: Compiler, node: Record, path: str, paths: PathRules | None) -> None:
    origin = typing.get_origin(node.type) or node.type
    for name, hint in _hints(node.type).items():
        part = _part(compiler, node, name, hint, path, paths)
        # The keys that the class calls required are wrong where annotations are strings.
        told = typing.get_origin(hint)
        if told is typing_extensions.NotRequired or (
            name in origin.__optional_keys__ and told is not typing_extensions.Required
        ):
            part.node = optional(part.node)
    names = [*node.parts]
    node.read = lambda value: [value.get(name, MISSING) for name in names]
    whole = validated(node.type)
    node.make = lambda parts: whole({name: value for name, value in parts.items() if value is not MISSING})
    _open(compiler, node, path, lambda value: value)


def _part(
    compiler: Compiler,
    node: Record,
    name: str | int,
    type_: Any,
    path: str,
    paths: PathRules | None,
    *,
    transparent: bool = False,
    step: str | int | None = None,
) -> Part:
    if transparent:
        where, below = path, paths
    else:
        word = f"[{name}]" if isinstance(name, int) else name
        where = f"{path}{word}" if isinstance(name, int) or not path else f"{path}.{word}"
        below = paths.at(word) if paths else None
    inner = compiler.node(type_, path=where, paths=below, dissent=node.rules.get("dissent"))
    part = node.parts[name] = Part(step=None if transparent else name if step is None else step, node=inner)
    return part


def _groups(node: Record, origin: object, path: str) -> None:
    told: list[Together] = [*getattr(origin, ON_CLASS, ())]
    group = node.rules.get("group")
    if isinstance(group, Together):
        told.append(group)
    taken: set[str] = set()
    for each in told:
        for name in each.fields:
            if name not in node.parts:
                message = (
                    f"{path or 'the answer'}: {each!r}: no field {name!r}{did_you_mean(name, map(str, node.parts))}"
                )
                raise ConfigurationError(message)
            if name in taken:
                message = f"{path or 'the answer'}: {name!r} stands in two Together rules; put them in one"
                raise ConfigurationError(message)
            taken.add(name)
    node.together = tuple(each.fields for each in told)


def _hints(type_: Any) -> dict[str, Any]:
    origin = typing.get_origin(type_) or type_
    variables = dict(zip(getattr(origin, "__parameters__", ()), typing.get_args(type_), strict=False))
    hints = typing_extensions.get_type_hints(origin, include_extras=True)
    return {name: filled_in(hint, variables) for name, hint in hints.items()}


def _attributes(node: Record) -> Callable[[Any], Sequence[Any]]:
    names = [str(name) for name in node.parts]
    if len(names) > 1 and not any("." in name for name in names):
        return operator.attrgetter(*names)
    return lambda value: [getattr(value, name) for name in names]


def _in_order(make: Callable[[list[Any]], Any]) -> Callable[[Mapping[Any, Any]], Any]:
    return lambda parts: make(list(parts.values()))


def validated(type_: Any) -> Callable[[Any], Any]:
    from pydantic import TypeAdapter

    adapter: list[TypeAdapter[Any]] = []  # built with the first object that has to be made

    def make(parts: Any) -> Any:
        if not adapter:
            adapter.append(TypeAdapter(type_))
        return adapter[0].validate_python(parts, by_alias=False, by_name=True)

    return make


def around(type_: Any, inner: Node) -> Record:
    """Put a record of one part around a node, so that what no class validates is validated as its type."""
    make = validated(type_)
    node = Record(type=type_, parts={0: Part(step=None, node=inner)})
    node.make = lambda parts: (make(parts[0]),)
    node.key = record_key(node)
    return node
