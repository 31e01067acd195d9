"""What is settled stays as it is, whatever the candidates that are still to come may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble_parse import Text, Tolerance, consensus
from ensemble_parse._consensus import Survey
from ensemble_parse._consensus._values import same
from tests.test_consensus_properties import Panel, types, values
from tests.test_vote import candidate

if TYPE_CHECKING:
    from collections.abc import Sequence


@st.composite
def close_panels(draw: st.DrawFn) -> Panel:
    """Draw a type and candidates that agree more often than not."""
    type_ = draw(types())
    pool = draw(st.lists(values(type_), min_size=1, max_size=3))
    said = draw(st.lists(st.sampled_from([pool[0], *pool]) | values(type_), min_size=2, max_size=7))
    return Panel(type_, said)


def surveyed(panel: Panel, weights: Sequence[float], some: Sequence[int]) -> Survey[Any]:
    """Survey some of a panel, in order of trust."""
    return Survey([candidate(at, panel.said[at], weights[at]) for at in sorted(some)], panel.type)


@settings(max_examples=500)
@given(close_panels(), st.data())
def test_nobody_can_change_what_is_settled(panel: Panel, data: st.DataObject) -> None:
    """Whoever has answered in whatever order: once it is settled, the answer is the one that waiting for all gives.

    Where everybody has to be heard there is nothing to see.
    """
    count = len(panel.said)
    weights = data.draw(st.lists(st.sampled_from([1.0, 1.0, 1.0, 2.0, 0.5]), min_size=count, max_size=count))
    arrivals = data.draw(st.permutations(range(count)))
    arbitrated = data.draw(st.booleans())
    after_all = surveyed(panel, weights, arrivals)
    for there in range(1, count):
        survey = surveyed(panel, weights, arrivals[:there])
        outstanding = sum(weights[at] for at in arrivals[there:])
        if not survey.unsettled(outstanding, arbitrated=arbitrated):
            assert same(survey.decide().output, after_all.decide().output)
            assert not arbitrated or not after_all.contests()
            return


def test_spellings_of_keys() -> None:
    """Which spelling of a key is returned, and whether two are one, may change with any further table."""
    for said in ([{"Alpha": 2}, {"alpha": 2}], [{"Alpha": 2, "alpha": 3}, {"Alpha": 2}]):
        assert surveyed(Panel(dict[str, int], said), [1.0, 1.0], [0, 1]).unsettled(1.0)
    assert not surveyed(Panel(dict[str, int], [{"alpha": 2}] * 2), [1.0, 1.0], [0, 1]).unsettled(1.0)


Close = Annotated[float, Tolerance(rel=0.1)]
Alike = Annotated[str, Text(similar=0.8)]
NEAR: dict[Any, st.SearchStrategy[Any]] = {
    Close: st.sampled_from([1.0, 1.05, 1.1, 1.15, 2.0]),
    Alike: st.sampled_from(["apple pie", "apple pies", "Apple pie", "apple tart", "pear"]),
    list[Close]: st.lists(st.sampled_from([1.0, 1.1, 1.15]), max_size=2),
    tuple[Close, Alike]: st.tuples(st.sampled_from([1.0, 1.1, 1.15]), st.sampled_from(["apple pie", "apple pies"])),
}


@settings(max_examples=300)
@given(st.data())
def test_what_is_near_moves_nothing_that_is_settled(data: st.DataObject) -> None:
    """Whatever is near what has been said, and near what is still to come: the answer is that of waiting for all."""
    type_ = data.draw(st.sampled_from([*NEAR]))
    pool = data.draw(st.lists(NEAR[type_], min_size=1, max_size=3))
    said = data.draw(st.lists(st.sampled_from([pool[0], *pool]) | NEAR[type_], min_size=2, max_size=7))
    panel, count = Panel(type_, said), len(said)
    weights = data.draw(st.lists(st.sampled_from([1.0, 1.0, 2.0, 0.5]), min_size=count, max_size=count))
    arrivals = data.draw(st.permutations(range(count)))
    for there in range(1, count):
        survey = surveyed(panel, weights, arrivals[:there])
        if not survey.unsettled(sum(weights[at] for at in arrivals[there:])):
            assert same(survey.decide().output, surveyed(panel, weights, arrivals).decide().output)
            return


@pytest.mark.parametrize("late", [[1.1, 1.15], [1.15, 1.1]])
def test_what_most_say_is_not_moved_by_what_is_near(late: list[float]) -> None:
    """Three of five say the same: it stands, though another value is near all five; and so it is settled with three."""
    said = [1.0, 1.0, 1.0, *late]
    assert not surveyed(Panel(Close, said), [1.0] * 5, [0, 1, 2]).unsettled(2.0)
    assert consensus(said, response_format=Close).output == 1.0
    assert consensus([1.0, *late], response_format=Close).output == 1.1
