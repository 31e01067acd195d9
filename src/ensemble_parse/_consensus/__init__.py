"""The pure engine: candidates in, a decision out. No I/O, no model, no clock.

In the order of reading: ``_node`` (what a type looks like), ``_values`` (when two values are the same), ``_rules`` and
``_paths`` (what a type's author says about it), ``_annotations``, ``_unions``, ``_records`` and ``_shape`` (from a type
to its nodes), ``_vote`` (one ballot), ``_similarity`` and ``_align`` (which items of lists are the same), ``_polls``
and ``_merge`` (the survey of what is said), ``_cohere`` (one valid object), ``_verdicts`` (who said what),
``_contests`` (what is disputed), ``_settled`` (what nobody can change any more), ``_splits`` (how likely it is right),
``_survey`` (all of it).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeGuard, overload

from ensemble_parse._consensus._contests import Answer, Contest
from ensemble_parse._consensus._polls import Place
from ensemble_parse._consensus._shape import shape
from ensemble_parse._consensus._splits import Split
from ensemble_parse._consensus._survey import Survey, account, against, medoid
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._models import Candidate, Decision, R

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ensemble_parse._rules import FieldRule

__all__ = ["Answer", "Contest", "Place", "Split", "Survey", "account", "against", "consensus", "medoid", "shape"]


@overload
def consensus(
    candidates: Sequence[R | Candidate[R]],
    *,
    response_format: type[R] | None = None,
    weights: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    rules: Mapping[str, FieldRule | Iterable[FieldRule]] | None = None,
) -> Decision[R]: ...
@overload
def consensus(
    candidates: Sequence[Any],
    *,
    response_format: Any,
    weights: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    rules: Mapping[str, FieldRule | Iterable[FieldRule]] | None = None,
) -> Decision[Any]: ...
def consensus(
    candidates: Sequence[Any],
    *,
    response_format: Any = None,
    weights: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    rules: Mapping[str, FieldRule | Iterable[FieldRule]] | None = None,
) -> Decision[Any]:
    """Merge several typed answers to one question into one valid object, and tell who said what of it.

    Every field is voted upon by its type, down to the leaves; items of lists are paired first. What is voted is
    validated by the user's own classes. Pure and deterministic: no model is asked and nothing is awaited.

    Args:
        candidates: objects of one type, the most trusted first, or ``Candidate`` objects.
        response_format: their type; by default the first one's. With it, objects that are not of the type yet are
            validated.
        weights: of the votes, more than 0; by default the candidates' own, or 1.
        names: of the candidates; by default their own, or ``"candidate 1"`` and so on.
        rules: how to compare and combine, by path; before those in the type's ``Annotated``.

    Raises:
        ConfigurationError: no candidates, weights or names that do not match them, a rule that does not fit its path.
        ValidationError: a candidate is not of the type.

    Examples:
        >>> from ensemble_parse import consensus
        >>> decision = consensus(["Paris", "paris ", "Lyon"])
        >>> decision.output
        'Paris'
        >>> decision.verdicts[""].supporters
        ('candidate 1', 'candidate 2')
    """
    candidates = list(candidates)
    for what, given in (("weights", weights), ("names", names)):
        if given is not None and len(given) != len(candidates):
            message = f"{len(given)} {what} for {len(candidates)} candidates"
            raise ConfigurationError(message)
    if names is not None and len(set(names)) != len(names):
        message = f"names={list(names)!r}: each candidate needs a name of its own"
        raise ConfigurationError(message)
    for weight in weights or ():
        if not 0 < weight < math.inf:
            message = f"weights={list(weights or ())!r}: give numbers greater than 0"
            raise ConfigurationError(message)
    format_ = None
    if response_format is not None:
        from ensemble_parse._format import response_format as prepare

        format_ = prepare(response_format)
        shape(format_.type, rules)
    told: list[Candidate[Any]] = []
    for at, said in enumerate(candidates):
        output: Any = said if _is_candidate(said) or format_ is None else format_.coerce(said)
        told.append(_candidate(output, at, names[at] if names else None, weights[at] if weights else None))
    return Survey(told, format_.type if format_ else None, rules).decide()


def _candidate(said: object, at: int, name: str | None, weight: float | None) -> Candidate[Any]:
    from dataclasses import replace

    if not _is_candidate(said):
        name = name or f"candidate {at + 1}"
        weight = 1.0 if weight is None else weight
        return Candidate(name=name, processor=name, position=at, model="", output=said, weight=weight)
    return replace(said, name=name or said.name, weight=weight or said.weight)


def _is_candidate(said: object) -> TypeGuard[Candidate[Any]]:
    return isinstance(said, Candidate)
