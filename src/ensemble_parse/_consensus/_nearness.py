"""Whether values with parts are the same but for what is near: numbers within a tolerance, texts that are alike."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from ensemble_parse._consensus._node import Collected, Leaf, Record, Table, Union, by_key, equal
from ensemble_parse._rules import Ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from ensemble_parse._consensus._node import Node

    Near: TypeAlias = Callable[[Any, Any], bool]


def near_in(node: Node) -> Near | None:
    """Give the comparison of a node's values, part by part; ``None``: nothing in them can be near and not equal."""
    return functools.partial(_throughout, node) if _fuzzy(node, set()) else None


def near_in_all(nodes: Sequence[Node]) -> Near | None:
    """Give the comparison of groups of values, one for each node."""
    if not any(_fuzzy(node, set()) for node in nodes):
        return None
    return lambda left, right: all(_throughout(node, a, b) for node, a, b in zip(nodes, left, right, strict=True))


def _throughout(node: Node, left: Any, right: Any) -> bool:  # noqa: PLR0911 - a case for each node
    if isinstance(node.rules.get("dissent"), Ignore):
        return True
    if isinstance(node, Leaf):
        return equal(node, left, right)
    if isinstance(node, Union):
        of = node.pick(left)
        return of is node.pick(right) and _throughout(of, left, right)
    if isinstance(node, Record):
        pairs = zip(node.parts.values(), node.read(left), node.read(right), strict=True)
        return all(_throughout(part.node, a, b) for part, a, b in pairs)
    if isinstance(node, Table):
        one, other = by_key(node, [left, right])
        return one.keys() == other.keys() and all(
            _throughout(node.item, left[name], right[other[key]]) for key, name in one.items()
        )
    assert isinstance(node, Collected)  # noqa: S101 - there are no other nodes
    if len(left) != len(right):
        return False
    if node.ordered:
        return all(_throughout(node.item, a, b) for a, b in zip(left, right, strict=True))
    return _paired(node.item, left, [*right])


def _paired(node: Node, left: Iterable[Any], right: Sequence[Any]) -> bool:
    """Whether each on the left has one of its own on the right, which is looked for first where it is equal."""
    free = dict.fromkeys(range(len(right)))
    places: dict[Hashable, list[int]] = {}
    for at in reversed(range(len(right))):
        places.setdefault(node.key(right[at]), []).append(at)
    for each in left:
        same = places.get(node.key(each), [])
        while same and same[-1] not in free:
            same.pop()
        if same:
            del free[same.pop()]
            continue
        near_one = next((at for at in free if _throughout(node, each, right[at])), None)
        if near_one is None:
            return False
        del free[near_one]
    return True


def _fuzzy(node: Node, seen: set[int]) -> bool:
    if id(node) in seen:
        return False
    seen.add(id(node))
    if isinstance(node, Leaf):
        return node.near is not None
    if isinstance(node, Record):
        return any(_fuzzy(part.node, seen) for part in node.parts.values())
    if isinstance(node, Collected | Table):
        return _fuzzy(node.item, seen)
    return True  # a choice: its variants are known with their values
