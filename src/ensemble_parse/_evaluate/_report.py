"""The report: what was right, how sure that is, and what it cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from rich.console import Group

    from ensemble_parse._learned import Learned

Kind: TypeAlias = Literal["processor", "best member", "ensemble", "decision maker", "oracle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A share, or a difference of two, with the range that holds 95 % of the resamples.

    Attributes:
        value: from 0 to 1; of a difference from -1 to 1.
        low: 2.5 % of the resamples are below it.
        high: 2.5 % are above it.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one way to get an answer did.

    Attributes:
        name: the processor's, or of the decision maker.
        kind: ``"processor"``: one processor alone; ``"best member"``: the one that did best on the other folds;
            ``"ensemble"``: what was decided; ``"decision maker"``: another decision over the same candidates;
            ``"oracle"``: whoever would pick what is right wherever a candidate has it, path by path for ``fields``.
        items: how many inputs it is scored on; fewer than all for a processor that was not always asked.
        whole: share of answers that are right as a whole.
        fields: share of fields, the paths of the truth, that are right.
        gain: ``whole`` over the best member's on the same inputs, or ``None`` for the best member itself.
        field_gain: the same for ``fields``.
        cost: US dollars for each input, what failed included; ``None`` where a price is unknown.
        tokens: for each input.
        seconds: for each input, on average.
    """

    name: str
    kind: Kind
    items: int
    whole: Interval
    fields: Interval
    gain: Interval | None = None
    field_gain: Interval | None = None
    cost: float | None = None
    tokens: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """How one field did, wherever in a list it is.

    Attributes:
        path: such as ``items[].price``; that of a list alone is about which items it has.
        count: how often the truth has it.
        wrong: how often the ensemble had it wrong.
        ensemble: share that the ensemble had right.
        best: share that the best member had right.
        oracle: share that any candidate had right.
    """

    path: str
    count: int
    wrong: int
    ensemble: float
    best: float
    oracle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How often fields were right that were about equally sure.

    Attributes:
        of: ``"agreement"`` of the ensemble as it decided, or the ``"probability"`` of learned weights, on folds that
            they were not learned from.
        low: from here on.
        high: up to here; below it, but for the last.
        count: how many fields of the answers.
        mean: what they were said to be, on average.
        right: share of them that is right.
    """

    of: Literal["agreement", "probability"]
    low: float
    high: float
    count: int
    mean: float
    right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the judge was worth, on the inputs that it decided.

    Attributes:
        items: how many these are.
        whole: share of answers that are right, with it.
        gain: over the vote without it.
        field_gain: the same for fields.
        cost: US dollars in all; ``None`` where its price is unknown.
        tokens: in all.
    """

    items: int
    whole: float
    gain: Interval
    field_gain: Interval
    cost: float | None
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Whether the ensemble pays; show it with ``rich.print(report)``, or as the last expression of a notebook's cell.

    Attributes:
        items: inputs that have a result and a truth.
        groups: groups of them that err together; the intervals resample these.
        unlabelled: results without a truth, which count nowhere.
        unanswered: truths without a result, the same.
        scores: of every processor, the best member, the ensemble, other decision makers and the oracle, in this order.
        fields: how each field did, the most often wrong first.
        calibration: how often the ensemble is right, by how sure it says to be.
        calibration_error: the mean distance between the two in ten equal bins, by what ``Bucket.of`` says.
        judge: what the judge was worth, or ``None`` where none decided.
        learned: what ``fit_weights`` returns for the same data, or ``None`` with too few labels.
        notes: what to know before trusting it.
        verdict: all of it in a few sentences.
    """

    items: int
    groups: int
    unlabelled: int
    unanswered: int
    scores: tuple[Score, ...]
    fields: tuple[Field, ...]
    calibration: tuple[Bucket, ...]
    calibration_error: dict[str, float]
    judge: Judged | None
    learned: Learned | None
    notes: tuple[str, ...]
    verdict: str

    def score(self, name: str) -> Score:
        """The score of one name, such as ``"ensemble"`` or ``"best member"``.

        Raises:
            KeyError: there is none.
        """
        for score in self.scores:
            if score.name == name:
                return score
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Write it as JSON-like data."""
        data = {name: getattr(self, name) for name in self.__slots__}
        return {
            **data,
            **{name: [asdict(each) for each in data[name]] for name in ("scores", "fields", "calibration")},
            "judge": asdict(self.judge) if self.judge else None,
            "learned": self.learned.to_dict() if self.learned else None,
            "notes": list(self.notes),
        }

    def __rich__(self) -> Group:
        """Show it on a terminal."""
        from ensemble_parse._evaluate._show import rich

        return rich(self)

    def _repr_html_(self) -> str:
        """Show it in a notebook; names and paths are escaped."""
        from ensemble_parse._evaluate._show import html

        return html(self)
