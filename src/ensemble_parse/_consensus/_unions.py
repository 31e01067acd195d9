"""Choices between types: declared ones, and values whose type is only known when they are there."""

from __future__ import annotations

import collections
import dataclasses
import typing
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import typing_extensions

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._annotations import is_record
from ensemble_parse._consensus._node import Collected, Leaf, Node, Record, Table, Union, or_absent
from ensemble_parse._consensus._rules import check, leaf_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ensemble_parse._consensus._paths import PathRules
    from ensemble_parse._consensus._shape import Compiler
    from ensemble_parse._rules import FieldRule, RuleKind

    Rules = dict[RuleKind, FieldRule]


def union_of(
    compiler: Compiler,
    type_: Any,
    variants: tuple[Any, ...],
    path: str,
    paths: PathRules | None,
    rules: Rules,
) -> Node:
    """Compile a union: values without parts are one ballot, ``None`` among them; every type with parts is a variant."""
    plain = [compiler.node(each, path=path) for each in variants]
    for rule in rules.values():
        if not any(node.kind in rule.fits for node in plain):
            check({rule.kind: rule}, plain[0].kind, path)
    nodes: list[Node] = []
    for each, node in zip(variants, plain, strict=True):
        fitting = tuple(rule for rule in rules.values() if node.kind in rule.fits)
        nodes.append(compiler.node(each, path=path, paths=_without_rules(paths), marks=fitting))
    leaves = [node for node in nodes if isinstance(node, Leaf)]
    parted = [node for node in nodes if not isinstance(node, Leaf)]
    said = [node for node in leaves if node.type not in (None, type(None))]
    if len(said) == 1:
        leaf = dataclasses.replace(said[0], key=or_absent(said[0].key))
    else:
        leaf = leaf_rules(_loose(type_), {k: r for k, r in rules.items() if "any" in r.fits}, path)
    if not parted:
        return leaf
    return _choice(type_, leaf, parted, {k: r for k, r in rules.items() if k in ("combine", "dissent")})


def optional(node: Node) -> Node:
    """Let a value be missing as well."""
    if isinstance(node, Leaf):
        return dataclasses.replace(node, key=or_absent(node.key))
    if isinstance(node, Union):
        key = or_absent(node.key)
        return dataclasses.replace(node, key=key)
    return _choice(node.type, Leaf(type=None, kind="exact", key=values.exact), [node], dict(node.rules))


def anything_of(
    compiler: Compiler,
    type_: Any,
    path: str,
    paths: PathRules | None,
    rules: Rules,
) -> Node:
    """Compile a type that says nothing about its values: each is taken for what it is when it is there."""
    leaf = leaf_rules(_loose(type_), rules, path)
    if paths is not None:
        _use(paths)
    below = _without_rules(paths)
    dissent = rules.get("dissent")
    marks = () if dissent is None else (dissent,)
    known: dict[Any, Node] = {}

    def pick(value: Any) -> Node:
        kind = _kind(value)
        if kind is None:
            return leaf
        node = known.get(kind)
        if node is None:
            node = known[kind] = compiler.node(kind, path=path, paths=below, marks=marks)
        return node

    def key(value: Any) -> Hashable:
        node = pick(value)
        return node.kind, node.key(value)

    return Union(type=type_, rules=rules, pick=pick, key=key)


def _loose(type_: Any) -> Leaf:
    return Leaf(type=type_, key=values.anything, near=values.near_numbers)


def _kind(value: Any) -> Any:
    if isinstance(value, str | bytes) or value is None:
        return None
    if is_record(values.class_of(value)):
        return values.class_of(value)
    if isinstance(value, Mapping):
        return dict
    if isinstance(value, AbstractSet):
        return set
    if isinstance(value, list | tuple | collections.deque):
        return list
    return None


def _choice(type_: Any, leaf: Leaf, variants: list[Node], rules: Rules) -> Union:
    known: dict[type, Node] = {}
    valid = {id(each): _valid(each) for each in variants}

    def pick(value: Any) -> Node:
        kind = values.class_of(value)
        node = known.get(kind)
        if node is not None:
            return node
        fitting = [each for each in variants if _holds(each, value)]
        if len(fitting) > 1 and isinstance(value, Mapping | list | tuple | AbstractSet):
            # One class of Python for several types: only their own validation tells them apart.
            return next((each for each in fitting if valid[id(each)](value)), fitting[0])
        exact = [each for each in fitting if each.type is kind]
        node = known[kind] = (exact or fitting or [leaf])[0]
        return node

    def key(value: Any) -> Hashable:
        node = pick(value)
        return id(node), node.key(value)

    return Union(type=type_, rules=rules, pick=pick, key=key, variants=tuple(variants))


def _holds(node: Node, value: Any) -> bool:
    if isinstance(node, Union):
        return not isinstance(node.pick(value), Leaf)
    if isinstance(node, Table):
        return isinstance(value, Mapping)
    if isinstance(node, Collected):
        return (
            isinstance(value, AbstractSet)
            if node.kind == "set"
            else isinstance(value, list | tuple | collections.deque)
        )
    assert isinstance(node, Record)  # noqa: S101 - leaves are no variants
    origin = typing.get_origin(node.type) or node.type
    return isinstance(value, dict) if typing_extensions.is_typeddict(origin) else isinstance(value, origin)


def _valid(node: Node) -> Callable[[Any], bool]:
    from pydantic import TypeAdapter, ValidationError

    adapter = list[TypeAdapter[Any]]()  # built once, with the first value that it takes to tell

    def valid(value: Any) -> bool:
        if not adapter:
            adapter.append(TypeAdapter(node.type))
        try:
            adapter[0].validate_python(value, strict=True)
        except ValidationError:
            return False
        return True

    return valid


def _without_rules(paths: PathRules | None) -> PathRules | None:
    if paths is None or not paths.here:
        return paths
    bare = type(paths)()
    bare.below = paths.below
    return bare


def _use(paths: PathRules) -> None:
    paths.used = True
    for below in paths.below.values():
        _use(below)
