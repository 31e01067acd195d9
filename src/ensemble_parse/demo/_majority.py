"""A decision maker of ten lines, for flat answers: the majority of every field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ensemble_parse._models import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ensemble_parse._decision import Case
    from ensemble_parse._models import Candidate, T


class FieldMajority:
    """Takes for every field the value that most members say; ties fall to the order of trust."""

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Decide field by field."""
        said = [case.request.format.data(candidate.output) for candidate in candidates]
        decided: dict[str, Any] = {}
        for name in said[0]:
            values = [each[name] for each in said]
            decided[name] = max(values, key=values.count)
        return Decision(output=case.request.format.coerce(decided), method="majority of every field")
