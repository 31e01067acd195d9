"""What a type looks like to the engine: a tree of nodes, prepared once for each type."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ensemble_parse._consensus._values import MISSING, Key, anything, exact
from ensemble_parse._rules import Ignore, Rule, Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

    from ensemble_parse._rules import FieldRule, Kind, RuleKind

Step: TypeAlias = "str | int | None"  # how a part's path goes on from its parent's; None: it has the parent's own path


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Node:
    """One place in a type.

    Attributes:
        type: the annotation that it was made of.
        key: equal for values that are the same.
        rules: what the type's author says about it, by the kind of rule.
    """

    type: Any = Any
    key: Key = anything
    rules: Mapping[RuleKind, FieldRule] = field(default_factory=dict["RuleKind", "FieldRule"])

    kind: Kind = "any"

    @property
    def whole(self) -> bool:
        """Whether it is decided in one piece."""
        return isinstance(self.rules.get("combine"), Whole | Rule) or isinstance(self.rules.get("dissent"), Ignore)


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Leaf(Node):
    """A value without parts.

    Attributes:
        near: whether two values whose keys differ are the same for all that; ``None``: then they never are.
    """

    near: Callable[[Any, Any], bool] | None = None


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Part:
    """A field of a record.

    Attributes:
        step: how its path goes on from the record's.
        node: what it is.
        fresh: whether its default is made anew for each object, so that two defaults are no dissent.
        factory: makes its default, where an object does not know what it was given.
        description: what its author says it is.
    """

    step: Step
    node: Node
    fresh: bool = False
    factory: Callable[[], Any] | None = None
    description: str | None = None

    def anew(self, said: Sequence[Any]) -> bool:
        """Whether these are defaults made anew for each object: each is another, and so are any two that are made."""
        key = self.node.key
        if self.factory is None or len({*map(key, said)}) < len(said):
            return False
        return key(self.factory()) != key(self.factory())


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Record(Node):
    """A value with named parts: a model, dataclass, TypedDict, named or fixed tuple.

    Attributes:
        parts: by name.
        read: the parts' values, in order.
        make: an object out of the parts' values by name, validated; raises whatever its validators do.
        validates: whether ``make`` does.
        given: the names of the parts that an object was given, where it knows; the others have their defaults.
        together: names of parts that are decided as one.
    """

    parts: dict[str | int, Part] = field(default_factory=dict["str | int", Part])
    read: Callable[[Any], Sequence[Any]] = list
    make: Callable[[Mapping[Any, Any]], Any] = dict
    validates: bool = True
    given: Callable[[Any], set[str] | None] = lambda _: None
    together: tuple[tuple[str, ...], ...] = ()
    kind: Kind = "record"


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Collected(Node):
    """A list, set or variadic tuple.

    Attributes:
        item: what each item is.
        ordered: whether the order is part of the answer.
        by: reads what an item is known by; ``None``: items are paired by what they are like.
    """

    item: Node
    ordered: bool = False
    by: Key | None = None
    kind: Kind = "list"


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Table(Node):
    """A dict whose keys are data.

    Attributes:
        name: what each key is.
        item: what each value is.
        bare: whether the keys are fields of what contains it, so that there is no path to it.
    """

    name: Node
    item: Node
    bare: bool = False
    kind: Kind = "dict"


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Union(Node):
    """A choice between types.

    Attributes:
        pick: the node of the type that a value has; one and the same node for all values of one type.
        variants: the declared types that have parts.
    """

    pick: Callable[[Any], Node]
    variants: tuple[Node, ...] = ()


def equal(node: Node, left: Any, right: Any) -> bool:
    """Whether two values are the same, as the type and its rules say."""
    near = node.near if isinstance(node, Leaf) else None
    return node.key(left) == node.key(right) or (near is not None and near(left, right))


def record_key(node: Record) -> Callable[[Any], Hashable]:
    """Key an object by its parts; those that are no matter of agreement do not count."""
    counted: list[Key | None] = [
        None if isinstance(part.node.rules.get("dissent"), Ignore) else part.node.key for part in node.parts.values()
    ]
    read = node.read

    def key(value: Any) -> Hashable:
        return tuple([each(said) if each else None for each, said in zip(counted, read(value), strict=True)])

    return key


def by_key(node: Table, tables: Iterable[Mapping[Any, Any]]) -> list[dict[Hashable, Any]]:
    """Key the names of several dicts; where one dict has two that are the same, those are taken exactly as they are."""
    tables = list(tables)
    keyed: list[dict[Hashable, Any]] = [{node.name.key(name): name for name in each} for each in tables]
    if all(len(names) == len(table) for names, table in zip(keyed, tables, strict=True)):
        return keyed
    counted = [Counter(map(node.name.key, each)) for each in tables]
    twice = {key for each in counted for key, times in each.items() if times > 1}
    return [
        {(exact(name), key) if (key := node.name.key(name)) in twice else key: name for name in each} for each in tables
    ]


def only_record(node: Collected, items: Collection[Any]) -> bool:
    """Whether these are one record and no more; a plain value is no record."""
    if len(items) != 1:
        return False
    return isinstance(node.item.pick(*items) if isinstance(node.item, Union) else node.item, Record)


def or_absent(key: Key) -> Key:
    """Let a key take ``None`` and missing values too."""
    return lambda value: value if value is None or value is MISSING else key(value)
