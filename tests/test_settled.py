"""What is settled stays as it is, whatever the candidates that are still to come may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

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
