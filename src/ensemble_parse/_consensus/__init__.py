"""The pure engine: candidates in, a decision out. No I/O, no model, no clock.

In the order of reading: ``_node`` (what a type looks like), ``_values`` (when two values are the same), ``_rules`` and
``_paths`` (what a type's author says about it), ``_annotations``, ``_unions``, ``_records`` and ``_shape`` (from a type
to its nodes), ``_nearness`` (what is the same but for a little), ``_numbers`` and ``_combined`` (what rules make of
values), ``_vote`` (one ballot), ``_similarity`` and ``_align`` (which items of lists are the same), ``_polls`` and
``_merge`` (the survey of what is said), ``_search`` and ``_cohere`` (one valid object), ``_rows`` and ``_verdicts``
(who said what), ``_contests`` (what is disputed), ``_settled`` (what nobody can change any more), ``_splits`` (how
likely it is right) and ``_survey`` (all of it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, TypeGuard, overload

from pydantic_core import ValidationError

from ensemble_parse._consensus._contests import Answer, Contest
from ensemble_parse._consensus._polls import Place
from ensemble_parse._consensus._shape import shape
from ensemble_parse._consensus._splits import Split
from ensemble_parse._consensus._survey import Survey, account, against, medoid
from ensemble_parse._consensus._values import class_of
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._models import Candidate, Decision, R

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ensemble_parse._format import ResponseFormat
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
        candidates: objects of one type, the most trusted first, or ``Candidate`` objects such as ``result.candidates``.
        response_format: their type; by default the one that they are all of. With it, objects that are not of the type
            yet are validated.
        weights: of the votes, more than 0; by default the candidates' own, or 1.
        names: of the candidates; by default their own, or ``"candidate 1"`` and so on.
        rules: how to compare and combine, by path; before those in the type's ``Annotated``.

    Raises:
        ConfigurationError: no candidates, or of several types; weights or names that do not match them; a rule that
            does not fit its path.
        DecisionError: a rule of one's own returned something that is not valid at its path.
        ValidationError: a candidate, which a note names, is not of the type.

    Examples:
        >>> from ensemble_parse import consensus
        >>> decision = consensus(["Paris", "paris ", "Lyon"])
        >>> decision.output
        'Paris'
        >>> decision.verdicts[""].supporters
        ('candidate 1', 'candidate 2')
    """
    candidates = _listed(candidates)
    for what, given in (("weights", weights), ("names", names)):
        if isinstance(given, Mapping):
            message = f"{what}={given!r}: give a list, in the order of the candidates"
            raise ConfigurationError(message)
        if given is not None and len(given) != len(candidates):
            message = f"{len(given)} {what} for {len(candidates)} candidates"
            raise ConfigurationError(message)
    if names is not None and len(set(names)) != len(names):
        message = f"names={list(names)!r}: each candidate needs a name of its own"
        raise ConfigurationError(message)
    format_ = None
    if response_format is not None:
        from ensemble_parse._format import response_format as prepare

        format_ = prepare(response_format)
        shape(format_.type, rules)
    told: list[Candidate[Any]] = []
    for at, said in enumerate(candidates):
        name = names[at] if names else None
        try:
            output: Any = said if format_ is None else _checked(said, format_)
        except ValidationError as error:
            error.add_note(f"in {name or f'candidate {at + 1}'}")
            raise
        told.append(_candidate(output, at, name, weights[at] if weights is not None else None))
    return Survey(told, format_.type if format_ else None, rules).decide()


def _checked(said: Any, format_: ResponseFormat[Any]) -> Any:
    from dataclasses import replace

    if not _is_candidate(said):
        return format_.coerce(said)
    output = format_.coerce(said.output)
    # What is of the type already was validated once, and a validator may make something else of it now.
    return said if class_of(output) is class_of(said.output) else replace(said, output=output)


def _candidate(said: object, at: int, name: str | None, weight: float | None) -> Candidate[Any]:
    from dataclasses import replace

    if not _is_candidate(said):
        name = name or f"candidate {at + 1}"
        weight = 1.0 if weight is None else weight
        return Candidate(name=name, processor=name, position=at, model="", output=said, weight=weight)
    return replace(said, name=name or said.name, weight=said.weight if weight is None else weight)


def _listed(candidates: Any) -> list[Any]:
    kind = class_of(candidates)
    one = issubclass(kind, str | bytes | Mapping | Candidate) or hasattr(kind, "__pydantic_fields__")
    if one or issubclass(kind, AbstractSet) or not isinstance(candidates, Iterable):
        message = f"candidates: give a list of them, the most trusted first, not one {kind.__name__}"
        raise ConfigurationError(message)
    return [*candidates]


def _is_candidate(said: object) -> TypeGuard[Candidate[Any]]:
    return isinstance(said, Candidate)
