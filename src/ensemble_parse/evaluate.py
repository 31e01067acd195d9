"""Does the ensemble pay? Stored results beside the truth: a report, and weights learned from them; no model is asked.

truths = read_truths("truths.jsonl")
rich.print(evaluate(read_journal("run.jsonl", Invoice), truths))
learned = fit_weights(read_journal("run.jsonl", Invoice), truths)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ensemble_parse._decision import First, Medoid, Vote
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._evaluate._findings import calibration, fields, judged, notes, verdict
from ensemble_parse._evaluate._fit import FEWEST, crossed
from ensemble_parse._evaluate._intervals import Bootstrap
from ensemble_parse._evaluate._labelled import Groups, Results, labelled, read_truths
from ensemble_parse._evaluate._marks import Marker
from ensemble_parse._evaluate._report import Bucket, Field, Interval, Judged, Report, Score
from ensemble_parse._evaluate._scores import scores
from ensemble_parse._evaluate._ways import alone, as_decided, best_member, decided_again, oracle, with_decisions
from ensemble_parse._learned import Learned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ensemble_parse._decision import DecisionMaker
    from ensemble_parse._rules import FieldRule

__all__ = [
    "Bucket",
    "Field",
    "Interval",
    "Judged",
    "Learned",
    "Report",
    "Score",
    "evaluate",
    "fit_weights",
    "read_truths",
]

LEARNED = "learned weights"


def evaluate(
    results: Results,
    truths: Mapping[Any, Any],
    *,
    decision_makers: Mapping[str, DecisionMaker] | None = None,
    rules: Mapping[str, FieldRule] | None = None,
    groups: Groups = None,
    folds: int = 5,
    resamples: int = 2000,
    seed: int = 0,
) -> Report:
    """Compare an ensemble with each of its members and with other decisions over the same answers, offline.

    An answer is right where the engine calls it the same as the truth, by the type's rules. All that has to be chosen
    or fitted, the best member and learned weights, is so on other folds than those it is scored on.

    Args:
        results: stored results by id, the items of ``read_journal``, or results whose ids are their positions.
        truths: the right answers by id, objects of the response type or data that validates as one.
        decision_makers: what to compare with, by name; by default ``First``, ``Vote`` and ``Medoid``. None may ask a
            model. Learned weights are compared wherever there are 100 labelled answers.
        rules: how to compare, by path; before those in the type's ``Annotated``. Give those of ``Vote(rules=...)``.
        groups: which inputs err together, such as the pages of one document: id to group; by default none do.
        folds: how many parts the groups are dealt into.
        resamples: of the groups, for the intervals.
        seed: what folds and resamples are drawn with.

    Raises:
        ConfigurationError: no result has a truth, a truth is not of the response type, or a decision maker would ask a
            model.

    Examples:
        >>> from ensemble_parse import Ensemble
        >>> from ensemble_parse.testing import ScriptedClient
        >>> client = ScriptedClient({"a/1": [3, 5], "b/2": [3, 4], "c/3": [2, 4]})
        >>> ensemble = Ensemble(["a/1", "b/2", "c/3"], client=client)
        >>> report = evaluate([ensemble.run_sync("Go", int) for _ in range(2)], {0: 3, 1: 4})
        >>> report.score("ensemble").whole.value, report.score("a/1").whole.value
        (1.0, 0.5)
    """
    if isinstance(resamples, bool) or resamples < 1:
        message = f"resamples={resamples!r}: give 1 or more"
        raise ConfigurationError(message)
    labels = labelled(results, truths, groups, folds=folds, seed=seed)
    marker = Marker(rules)
    if decision_makers is None:
        decision_makers = {"First()": First(), "Vote()": Vote(rules=rules), "Medoid()": Medoid()}
    members = [alone(labels, name, marker) for name in labels.processors]
    best = best_member(labels, members)
    ensemble = as_decided(labels, marker)
    others = [decided_again(labels, name, maker, marker) for name, maker in decision_makers.items()]
    able = sum(bool(case.candidates) for case in labels.cases) >= FEWEST
    fitted = crossed(labels, marker) if able and len({case.fold for case in labels.cases}) > 1 else None
    if fitted:
        others.append(with_decisions(labels, LEARNED, fitted.decisions, marker))
    whole, by_field = oracle(labels, marker)
    bootstrap = Bootstrap([case.group for case in labels.cases], resamples=resamples, seed=seed)
    told = scores([*members, best, ensemble, *others, whole], best, by_field, labels, marker, bootstrap)
    buckets, errors = calibration(labels, marker, fitted.decisions if fitted else None)
    judge = judged(labels, ensemble, marker, bootstrap)
    learned = fitted.learned if fitted else None
    return Report(
        items=len(labels.cases),
        groups=labels.groups,
        unlabelled=labels.unlabelled,
        unanswered=labels.unanswered,
        scores=told,
        fields=fields(ensemble, best, by_field),
        calibration=buckets,
        calibration_error=errors,
        judge=judge,
        learned=learned,
        notes=notes(labels, told),
        verdict=verdict(told, best.name, judge, learned),
    )


def fit_weights(
    results: Results,
    truths: Mapping[Any, Any],
    *,
    rules: Mapping[str, FieldRule] | None = None,
    groups: Groups = None,
    folds: int = 5,
    seed: int = 0,
) -> Learned:
    """Learn from labelled answers what each processor's vote is worth, for ``Vote(learned=...)``.

    A conditional logit over the different answers to each question, penalised, so that 100 labels are enough; see
    ``Learned``. It is fitted on all folds but one and decides on that one, and where it does harm, having less right
    there than equal weights or the best member alone, what did better takes its place.

    Args:
        results: as for ``evaluate``; all processors should have been asked everywhere, as with ``Vote(stop="all")``.
        truths: as for ``evaluate``.
        rules: as for ``evaluate``.
        groups: as for ``evaluate``.
        folds: as for ``evaluate``.
        seed: what folds are drawn with.

    Raises:
        ConfigurationError: fewer than 100 labelled answers, or what ``evaluate`` raises.
    """
    labels = labelled(results, truths, groups, folds=folds, seed=seed)
    return crossed(labels, Marker(rules)).learned
