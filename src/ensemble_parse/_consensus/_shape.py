"""From a type to its nodes: compiled once for each pair of a type and its rules."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import functools
import types
import typing
import uuid
from collections import abc
from typing import TYPE_CHECKING, Any, Final, Literal

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._annotations import is_record, is_secret, unwrapped
from ensemble_parse._consensus._node import Collected, Leaf, Node, Record, Table, Union, by_key
from ensemble_parse._consensus._paths import EACH, PathRules, did_you_mean, path_meant, places
from ensemble_parse._consensus._records import record_of, validated
from ensemble_parse._consensus._rules import Own, check, leaf_rules, merged
from ensemble_parse._consensus._unions import anything_of, union_of
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._rules import FieldRule, Items, Rule, Text, Tolerance

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

_AS_IS: Final = (int, bool, dt.date, dt.time, dt.timedelta, uuid.UUID, enum.Enum, bytes)
_LISTS: Final = (list, collections.deque, abc.Sequence, abc.MutableSequence, abc.Collection)
_ONCE: Final = (abc.Iterable, abc.Iterator, abc.Generator)
_SETS: Final = (set, frozenset, abc.Set, abc.MutableSet)
_DICTS: Final = (dict, collections.OrderedDict, collections.defaultdict, abc.Mapping, abc.MutableMapping)


def shape(type_: Any, rules: Mapping[str, FieldRule | Iterable[FieldRule]] | None = None) -> Node:
    """Compile a type; the same type with the same rules gives the same nodes.

    Raises:
        ConfigurationError: a rule does not fit the type at its path, or there is no such path.
    """
    try:
        return _cached(type_, tuple(sorted(rules.items())) if rules else ())
    except (TypeError, AttributeError):  # a type or rule that cannot be hashed, or no mapping of rules
        return _compile(type_, rules or {})


@functools.lru_cache(maxsize=1024)
def _cached(type_: Any, rules: tuple[tuple[str, Any], ...]) -> Node:
    return _compile(type_, dict(rules))


def _compile(type_: Any, rules: Mapping[str, Any]) -> Node:
    paths = PathRules.of(rules)
    compiler = Compiler()
    node = compiler.node(type_, path="", paths=paths)
    for path in rules:
        if not paths.reaches(path):
            name = type_.__name__ if isinstance(type_, type) else repr(type_)
            message = f"rules[{path!r}]: {name} has no such path{path_meant(path, places(node))}"
            raise ConfigurationError(message)
    return node


def by_class(node: Record, said: Sequence[Any]) -> Union | None:
    """Choose between classes, where somebody's object is of one with more fields than the declared one."""
    declared = typing.get_origin(node.type) or node.type
    known = getattr(declared, "__pydantic_fields__", None)
    others = {values.class_of(each) for each in said} - {declared}
    if known is None or not others:
        return None
    wider = {each: shape(each) for each in others if len(getattr(each, "__pydantic_fields__", ())) > len(known)}
    if not wider:
        return None
    return Union(
        type=node.type, rules=node.rules, pick=lambda value: wider.get(values.class_of(value), node), key=node.key
    )


class Compiler:
    """One compilation: what was compiled already, so that a type may contain itself."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._done: dict[Hashable, Record] = {}

    def node(  # noqa: C901, PLR0911 - a case for each kind of type
        self,
        type_: Any,
        *,
        path: str,
        paths: PathRules | None = None,
        marks: tuple[FieldRule, ...] = (),
        dissent: FieldRule | None = None,
    ) -> Node:
        """Compile one annotation.

        Args:
            type_: the annotation, its type variables filled in.
            path: where it stands, for messages.
            paths: the rules of the mapping that lie here or below.
            marks: the rules in ``Annotated`` around it.
            dissent: what the value that contains it makes of dissent.
        """
        type_, inner = unwrapped(type_)
        if paths is not None:
            paths.used = True
        rules = merged(path, (*marks, *inner), paths.here if paths else (), dissent)
        own = rules.get("combine")
        if isinstance(own, Rule) and not isinstance(own, Own):
            whole = typing.Annotated[(type_, *inner)] if inner else type_
            rules["combine"] = Own(own.function, path=path, validated=validated(whole))
        origin, arguments = typing.get_origin(type_) or type_, typing.get_args(type_)
        if origin in (typing.Union, types.UnionType):
            return self._union(type_, arguments, path, paths, rules)
        if origin is Literal or type_ is None or type_ is types.NoneType or is_secret(origin):
            return leaf_rules(Leaf(type=type_, kind="exact", key=values.exact), rules, path)
        if is_record(origin):
            return self._record(type_, path, paths, rules)
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            return self._record(type_, path, paths, rules)
        if origin in _ONCE:
            message = f"{path or 'the answer'}: {type_!r} can be read only once, and votes read it often; use list[...]"
            raise ConfigurationError(message)
        if origin in (*_LISTS, tuple, *_SETS):
            return self._collected(type_, origin, arguments, path, paths, rules)
        if origin in _DICTS:
            return self._table(type_, arguments, path, paths, rules)
        if origin is str or (
            isinstance(origin, type) and issubclass(origin, str) and not issubclass(origin, enum.Enum)
        ):
            return leaf_rules(Leaf(type=type_, kind="text", key=values.text), rules, path)
        if origin in (float, decimal.Decimal):
            return leaf_rules(Leaf(type=type_, kind="number", key=values.number, near=values.near_numbers), rules, path)
        if isinstance(origin, type) and issubclass(origin, _AS_IS):
            kind: Literal["number", "exact"] = "number" if origin is int else "exact"
            return leaf_rules(Leaf(type=type_, kind=kind, key=lambda value: value), rules, path)
        return self._anything(type_, path, paths, rules)

    def _record(self, type_: Any, path: str, paths: PathRules | None, rules: Any) -> Node:
        # Below the last rule of the mapping a type is the same wherever it stands: one that contains itself ends there.
        memo = (type_, paths, tuple(rules.items()))
        if memo not in self._done:
            node = self._done[memo] = Record(type=type_, rules=check(rules, "record", path))
            record_of(self, node, path, paths)
        return self._done[memo]

    def _collected(
        self,
        type_: Any,
        origin: Any,
        arguments: tuple[Any, ...],
        path: str,
        paths: PathRules | None,
        rules: dict[Any, FieldRule],
    ) -> Node:
        a_set = origin in _SETS
        item = self.node(
            arguments[0] if arguments else Any,
            path=path + EACH,
            paths=paths.at(EACH) if paths else None,
            dissent=rules.get("dissent"),
        )
        node = Collected(type=type_, kind="set" if a_set else "list", item=item, rules={})
        node.rules = check(rules, node.kind, path)
        told = rules.get("compare")
        node.ordered = origin is tuple
        if isinstance(told, Items):
            node.ordered = node.ordered if told.ordered is None else told.ordered
            node.by = _by(told, item, path) if told.key else None
        if a_set:
            node.key = lambda value: frozenset(map(item.key, value))
        elif node.ordered:
            node.key = lambda value: tuple(map(item.key, value))
        else:
            node.key = lambda value: values.bag([*map(item.key, value)])
        return node

    def _table(
        self,
        type_: Any,
        arguments: tuple[Any, ...],
        path: str,
        paths: PathRules | None,
        rules: dict[Any, FieldRule],
    ) -> Node:
        keys, items = arguments or (Any, Any)
        dissent = rules.get("dissent")
        name = self.node(keys, path=f"{path} (a key)")
        item = self.node(items, path=f"{path}.*", paths=paths.at("*") if paths else None, dissent=dissent)
        node = Table(type=type_, name=name, item=item, rules=check(rules, "dict", path))
        node.key = lambda value: frozenset((key, item.key(value[at])) for key, at in by_key(node, [value])[0].items())
        return node

    def _union(
        self,
        type_: Any,
        arguments: tuple[Any, ...],
        path: str,
        paths: PathRules | None,
        rules: dict[Any, FieldRule],
    ) -> Node:
        return union_of(self, type_, arguments, path, paths, rules)

    def _anything(self, type_: Any, path: str, paths: PathRules | None, rules: dict[Any, FieldRule]) -> Node:
        return anything_of(self, type_, path, paths, rules)


def _by(told: Items, item: Node, path: str) -> values.Key:
    names = list(item.parts) if isinstance(item, Record) else []
    if item.type is Any:
        message = f"{path or 'the answer'}: {told!r}: nobody says what an item is; give response_format, as list[Item]"
        raise ConfigurationError(message)
    if isinstance(item, Union):
        message = (
            f"{path or 'the answer'}: {told!r}: an item may be of several types, None among them, and has no one key"
        )
        raise ConfigurationError(message)
    for name in told.key:
        if name not in names:
            what = f"has no field {name!r}" + did_you_mean(name, map(str, names)) if names else "has no fields"
            message = f"{path or 'the answer'}: {told!r}: an item {what}"
            raise ConfigurationError(message)
    assert isinstance(item, Record)  # noqa: S101 - it has the names
    for name in told.key:
        fuzzy = item.parts[name].node.rules.get("compare")
        if isinstance(fuzzy, Tolerance) or (isinstance(fuzzy, Text) and fuzzy.similar is not None):
            where = f"{path}{EACH}.{name}"
            message = f"{where}: {fuzzy!r}: a key is compared exactly; take the rule off, or name another key"
            raise ConfigurationError(message)
    at = [names.index(name) for name in told.key]
    keys = [item.parts[name].node.key for name in told.key]
    read = item.read

    def by(value: Any) -> Hashable:
        row = read(value)
        said = [row[i] for i in at]
        if all(each is None or each is values.MISSING for each in said):
            return None
        return tuple(key(each) for key, each in zip(keys, said, strict=True))

    return by
