"""What labelled answers teach: how much each processor's vote is worth, and how likely an answer is right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VERSION: Final = 1

Basis: TypeAlias = Literal["learned", "equal weights", "order of accuracy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Weights and probabilities learned from answers whose truth is known: for ``Vote(learned=...)``.

    The model is a conditional logit over what is said: of the different answers to a question each is right with a
    chance in proportion to ``exp`` of the scores of those who give it, and none of them in proportion to ``exp(none)``.
    It asks for no independence of the processors: of two that err together each is worth less.

    Attributes:
        weights: of a vote, by the processor's name, on average 1.
        scores: what a processor's support adds to the log-odds that an answer is right, by name.
        none: the score of "none of what is said is right", by the kind of question: ``"text"``, ``"number"``,
            ``"exact"``, ``"item"`` (whether it is one of a list) and so on; ``""`` for every kind that is not there.
        basis: what ``weights`` are. ``"learned"``: the scores. Where these decided less well on answers that they were
            not fitted on, ``"equal weights"``, or ``"order of accuracy"``: the best processor decides, without it the
            next.
        items: how many labelled answers they were fitted on.
        accuracy: what each basis had right on answers that it was not fitted on, from 0 to 1: the mean of the share of
            whole answers and the share of fields.

    Raises:
        ConfigurationError: a weight is not positive, or a score is missing or not finite.

    Examples:
        >>> learned = Learned(weights={"a": 1.5, "b": 0.5}, scores={"a": 3.0, "b": 1.0}, none={"": 0.5})
        >>> learned.probability([["a"], ["b"]])
        0.8214...
        >>> Learned.from_dict(learned.to_dict()) == learned
        True
    """

    weights: Mapping[str, float]
    scores: Mapping[str, float]
    none: Mapping[str, float] = field(default_factory=lambda: {"": 0.0})
    basis: Basis = "learned"
    items: int = 0
    accuracy: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        """Check the figures."""
        for name, weight in self.weights.items():
            if not 0 < weight < math.inf:
                message = f"Learned: the weight of {name!r} is {weight!r}; give more than 0, or leave the processor out"
                raise ConfigurationError(message)
        if not all(map(math.isfinite, [*self.scores.values(), *self.none.values()])):
            message = "Learned: a score is no finite number; give what fit_weights found"
            raise ConfigurationError(message)
        if not self.weights or self.weights.keys() != self.scores.keys() or "" not in self.none:
            message = "Learned: give a weight and a score for each processor, and none with a score for ''"
            raise ConfigurationError(message)
        if self.basis not in get_args(Basis):
            message = f"Learned: basis={self.basis!r}; give one of {', '.join(map(repr, get_args(Basis)))}"
            raise ConfigurationError(message)

    @property
    def explanation(self) -> str:
        """In a sentence what the weights are, and why."""
        told = ", ".join(f"{share:.1%} {basis}" for basis, share in self.accuracy.items())
        held = f" On answers held out, the mean of whole ones and fields that were right: {told}." if told else ""
        if self.basis == "learned":
            return f"Weights learned from {self.items:,} labelled answers.{held}"
        return f"Weights learned from {self.items:,} labelled answers did harm: {self.basis} instead.{held}"

    def weight(self, processor: str) -> float:
        """Say what a vote of a processor weighs.

        Raises:
            ConfigurationError: nothing was learned about it.
        """
        self.check([processor])
        return self.weights[processor]

    def check(self, processors: Iterable[str]) -> None:
        """Find out that all processors are known.

        Raises:
            ConfigurationError: nothing was learned about one.
        """
        for name in processors:
            if name not in self.weights:
                known = ", ".join(map(repr, self.weights))
                message = (
                    f"learned weights know no processor {name!r}, only {known}: fit them on results of this "
                    "ensemble, or give the processor the name that it had"
                )
                raise ConfigurationError(message)

    def probability(self, said: Sequence[Sequence[str]], at: int = 0, kind: str = "") -> float:
        """Say how likely one of several different answers to one question is right.

        Args:
            said: for each answer the names of the processors that give it, a name for each sample.
            at: which of the answers.
            kind: the kind of question.

        Returns:
            From 0 to 1; over all answers the sum is less than 1, for none of them may be right.
        """
        none = self.none.get(kind, self.none[""])
        scores = [sum(self.scores[name] for name in names) for names in said]
        top = max(none, *scores)
        return math.exp(scores[at] - top) / (math.exp(none - top) + sum(math.exp(each - top) for each in scores))

    def to_dict(self) -> dict[str, Any]:
        """Write it as JSON-like data."""
        return {
            "version": VERSION,
            "weights": dict(self.weights),
            "scores": dict(self.scores),
            "none": dict(self.none),
            "basis": self.basis,
            "items": self.items,
            "accuracy": dict(self.accuracy),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Learned:
        """Read what ``to_dict`` wrote.

        Raises:
            ConfigurationError: it was written by another version, or is something else.
        """
        told: object = data  # what comes out of a file may be anything
        if not isinstance(told, Mapping) or data.get("version") != VERSION:
            version = data.get("version") if isinstance(told, Mapping) else None
            message = f"learned weights of version {version!r}; this library reads version {VERSION}"
            raise ConfigurationError(message)
        try:
            figures = {
                name: {str(key): float(value) for key, value in cast("Mapping[str, Any]", data[name]).items()}
                for name in ("weights", "scores", "none", "accuracy")
            }
            return cls(**figures, basis=data["basis"], items=int(data["items"]))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, ConfigurationError):
                raise
            message = "these are no learned weights: give what Learned.to_dict wrote"
            raise ConfigurationError(message) from error
