"""Which items of several lists are the same item, and in which order they stand."""

from __future__ import annotations

import bisect
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ensemble_parse._consensus._node import Leaf, Record

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ensemble_parse._consensus._node import Collected
    from ensemble_parse._consensus._vote import Panel

Slot: TypeAlias = "dict[int, int]"
"""One item: the voters that have it, and where it stands in their lists."""

ALIKE: Final = 0.5
"""Items less alike than this are different items."""

SAME_KEY: Final = 1.0
"""What having the same key adds to the likeness of two items: enough to pair them, however else they differ."""

SAME_PLACE: Final = 0.2
"""What standing at the same place of two lists adds to the likeness of two items; one place further on, half of it."""


def align(node: Collected, panel: Panel, voters: Sequence[int], lists: Sequence[Sequence[Any]]) -> list[Slot]:
    """Pair the items of the lists: by their key if they have one, else identical items first, and the rest by likeness.

    Identical items are paired before anything else and never parted, so that an item on which candidates agree is
    neither lost nor doubled. Without a key the rest goes in rounds, one candidate after another, each assigned at once
    so that the sum of the likeness is greatest; what is less alike than ``ALIKE`` is another item. The same is done
    among the items of one key where a list has several of them, and among those whose key is ``None``.
    """
    if node.by is None:
        keys = [[*map(node.item.key, each)] for each in lists]
        return _likened(node, panel, voters, lists, keys, _identical(voters, keys))
    names = [[*map(node.by, each)] for each in lists]
    if all(None not in each and len(set(each)) == len(each) for each in names):
        return _identical(voters, names)
    keys = [[*map(node.item.key, each)] for each in lists]
    slots: list[Slot] = []
    for name, places in _by_name(names).items():
        bonus = 0.0 if name is None else SAME_KEY
        slots += _likened(node, panel, voters, lists, keys, _identical(voters, keys, places), bonus)
    return slots


def _by_name(names: Sequence[Sequence[Hashable]]) -> dict[Hashable, list[list[int]]]:
    """Say for every key where its items stand, list by list."""
    found: dict[Hashable, list[list[int]]] = {}
    for row, each in enumerate(names):
        for at, name in enumerate(each):
            found.setdefault(name, [[] for _ in names])[row].append(at)
    return found


def _likened(
    node: Collected,
    panel: Panel,
    voters: Sequence[int],
    lists: Sequence[Sequence[Any]],
    keys: Sequence[Sequence[Hashable]],
    slots: list[Slot],
    bonus: float = 0.0,
) -> list[Slot]:
    """Pair by likeness what is not identical."""
    partial = [slot for slot in slots if len(slot) < len(voters)]
    alone = {voter for slot in partial for voter in slot}
    if len(alone) < 2 or not comparable(node):  # noqa: PLR2004 - one list has nothing to be paired with
        return slots
    whole = [slot for slot in slots if len(slot) == len(voters)]
    return whole + _by_likeness(node, panel, dict(zip(voters, lists, strict=True)), keys, partial, bonus)


def _identical(
    voters: Sequence[int], keys: Sequence[Sequence[Hashable]], places: Sequence[Sequence[int]] | None = None
) -> list[Slot]:
    """Pair the first with the first of several identical items, the second with the second, and so on.

    Args:
        voters: whose lists they are.
        keys: what items are compared by, list by list.
        places: which items of each list; by default all.
    """
    slots: dict[Hashable, Slot] = {}
    for row, (voter, each) in enumerate(zip(voters, keys, strict=True)):
        if places is None and len(set(each)) == len(each):
            for at, key in enumerate(each):
                slots.setdefault((key, 0), {})[voter] = at
            continue
        seen: Counter[Hashable] = Counter()
        for at in range(len(each)) if places is None else places[row]:
            key = each[at]
            slots.setdefault((key, seen[key]), {})[voter] = at
            seen[key] += 1
    return list(slots.values())


def comparable(node: Collected) -> bool:
    """Whether items can be alike without being equal: two numbers or dates cannot."""
    return not isinstance(node.item, Leaf) or node.item.near is not None or node.item.kind == "text"


def _by_likeness(
    node: Collected,
    panel: Panel,
    lists: dict[int, Sequence[Any]],
    keys: Sequence[Sequence[Hashable]],
    partial: list[Slot],
    bonus: float,
) -> list[Slot]:
    from ensemble_parse._consensus._similarity import distances, matrix, overlaps, paired

    weights = _telling(keys) if isinstance(node.item, Record) else None
    support = {voter: panel.weight(v for slot in partial if voter in slot for v in slot) for voter in lists}
    rounds = sorted(lists, key=lambda voter: (voter != panel.given, -panel.share(support[voter]), panel.ranks[voter]))
    placed: list[Slot] = []
    waiting = partial
    for voter in rounds:
        mine = [slot for slot in waiting if voter in slot]
        waiting = [slot for slot in waiting if voter not in slot]
        open_ = [slot for slot in placed if voter not in slot]
        taken: set[int] = set()
        if mine and open_:
            likeness = matrix(node.item, _items(panel, lists, mine), _items(panel, lists, open_), weights)
            if not isinstance(node.item, Leaf):
                # Of a value without parts its place says nothing: "5" and "-5" would be one.
                likeness += SAME_PLACE / (1 + distances(_places(panel, mine), _places(panel, open_)))
            likeness += bonus
            likeness[overlaps(mine, open_)] = 0.0
            for i, j in paired(likeness):
                if likeness[i, j] >= ALIKE:
                    open_[j].update(mine[i])
                    taken.add(i)
        placed += [dict(slot) for i, slot in enumerate(mine) if i not in taken]
    return placed


def _items(panel: Panel, lists: dict[int, Sequence[Any]], slots: Sequence[Slot]) -> list[Any]:
    trusted = [panel.trusted(slot) for slot in slots]
    return [lists[voter][slot[voter]] for voter, slot in zip(trusted, slots, strict=True)]


def _places(panel: Panel, slots: Sequence[Slot]) -> list[int]:
    return [slot[panel.trusted(slot)] for slot in slots]


def _telling(keys: Sequence[Sequence[Any]]) -> list[float]:
    """Weigh the parts of records by how well they tell the items of one list apart; what all share says nothing."""
    items = sum(max(len(each) - 1, 0) for each in keys)
    if not items:
        return [1.0] * len(next(each[0] for each in keys if each))
    columns = [[*zip(*each, strict=True)] for each in keys if each]
    return [sum(len(set(column)) - 1 for column in part) / items for part in zip(*columns, strict=True)]


def in_order(panel: Panel, slots: Sequence[Slot]) -> list[int]:
    """Order slots so that each stands before those that a majority puts after it.

    From the order of their median places, which one list in another order does not disturb, each slot moves up for as
    long as a majority puts it before its neighbour ("local Kemenization", Dwork and others, 2001). Where nothing
    decides, it is the order of trust. Items that few have come in after the others: one list's word must not come
    between the rest.
    """
    given = panel.given
    if given is not None:
        # An answer that stands has its order; what it does not have comes last.
        return sorted(range(len(slots)), key=lambda at: slots[at].get(given, len(slots) + at))
    support = [panel.share(panel.weight(slot)) for slot in slots]
    most = round(max(support, default=0.0) / 2, 9)
    order = _by_majority(panel, slots, [at for at in range(len(slots)) if support[at] >= most])
    ranks = {at: (rank, -1, 0) for rank, at in enumerate(order)}
    lines = {
        voter: sorted((slots[at][voter], at) for at in order if voter in slots[at]) for voter in range(len(panel.ranks))
    }
    for at in range(len(slots)):
        if support[at] < most:
            voter = panel.trusted(slots[at])
            place = slots[at][voter]
            behind = bisect.bisect(lines[voter], (place,)) - 1
            after = ranks[lines[voter][behind][1]][0] if behind >= 0 else -1
            ranks[at] = (after, panel.ranks[voter], place)
    return sorted(ranks, key=ranks.__getitem__)


def _by_majority(panel: Panel, slots: Sequence[Slot], some: Sequence[int]) -> list[int]:
    places: dict[int, list[tuple[int, int]]] = {}
    for at in some:
        for voter, place in slots[at].items():
            places.setdefault(voter, []).append((place, at))
    ranked: dict[int, list[tuple[float, int]]] = {at: [] for at in some}
    for voter, each in places.items():
        each.sort()
        for rank, (_, at) in enumerate(each):
            ranked[at].append(((rank + 0.5) / len(each), voter))

    def middle(at: int) -> tuple[float, tuple[int, int]]:
        first = panel.trusted(slots[at])
        return _median(panel, sorted(ranked[at])), (panel.ranks[first], slots[at][first])

    order: list[int] = []
    for at in sorted(some, key=middle):
        to = len(order)
        while to and _before(panel, slots[at], slots[order[to - 1]]):
            to -= 1
        order.insert(to, at)
    return order


def _median(panel: Panel, ranked: Sequence[tuple[float, int]]) -> float:
    half, below = panel.weight(voter for _, voter in ranked) / 2, 0.0
    for rank, voter in ranked:
        below += panel.weights[voter]
        if panel.share(below) >= panel.share(half):
            return rank
    return 0.0


def _before(panel: Panel, one: Slot, other: Slot) -> bool:
    """Whether a majority puts one slot before another; where it is even, the most trusted who has both decides."""
    lead, trusted, first = 0.0, len(panel.ranks), False
    for voter, place in one.items():
        if voter in other:
            earlier = place < other[voter]
            lead += panel.weights[voter] if earlier else -panel.weights[voter]
            if panel.ranks[voter] < trusted:
                trusted, first = panel.ranks[voter], earlier
    share = panel.share(lead)
    return share > 0 or (share == 0 and first)
