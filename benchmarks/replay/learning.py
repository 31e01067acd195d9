"""Weights learned from some labelled answers, against equal weights and the best member, on answers not learned from.

    python -m benchmarks.replay.learning [--data FOLDER] [--sets NAME ...] [--labels N ...]

For every fold so many labelled items are drawn from the other folds, ``fit_weights`` is given them, and a vote with
what it returns decides the fold. The best member is chosen on the same items. All methods see the same candidates.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.replay import equality, marking, panels, report, sets
from benchmarks.replay.intervals import Bootstrap
from benchmarks.replay.nouns import Said
from benchmarks.replay.runs import BEST, ORACLE, OURS, Table, Tally, oracle
from ensemble_parse import Candidate, Decision, Learned, Result
from ensemble_parse._consensus import Survey
from ensemble_parse._format import response_format
from ensemble_parse.evaluate import fit_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.replay.nouns import Item
    from benchmarks.replay.panels import Pool
    from benchmarks.replay.sets import Recording

LEARNED = "learned"
UNCHECKED = "learned, unchecked"  # whether or not it does harm
SETS = ("mmlupro", "zeroeval-crux", "zeroeval-math", "zeroeval-gsm", "finrag-single", "finrag-series", "bfcl")
BINS = 10


def candidates(item: Item, panel: Sequence[str]) -> list[Candidate[Any]]:
    """What a panel says to an item."""
    return [
        Candidate(name=model, processor=model, position=at, model=model, output=item.said[model].value)
        for at, model in enumerate(panel)
        if model in item.said
    ]


def one_spelling(recording: Recording) -> Recording:
    """Write answers that the set's rule calls equal in one way: equality is not what is measured here."""
    write = SPELLINGS.get(recording.name)
    if write is None:
        return recording
    items = []
    for item in recording.items:
        said = {model: Said.read(write(each.data), item.shape) or each for model, each in item.said.items()}
        items.append(replace(item, said=said))
    return replace(recording, items=tuple(items))


def amount(data: Any) -> Any:
    """An amount in units of one."""
    return {**data, "value": data["value"] * marking.UNITS[data["unit"]], "unit": "none"}


# Their rules mark fields as they are spelled, so that probabilities of fields cannot be set beside them.
SPELLED_BY_FIELDS = ("finrag-single", "finrag-series")
SPELLINGS: Mapping[str, Callable[[Any], Any]] = {
    "zeroeval-crux": lambda data: {"answer": repr(equality.literal(data["answer"]))},
    "zeroeval-math": lambda data: {"answer": equality.typeset(data["answer"])},
    "zeroeval-gsm": lambda data: {"answer": str(equality.last_number(data["answer"]))},
    "finrag-single": amount,
    "finrag-series": lambda data: [amount(each) for each in data],
}


def truth(item: Item, panel: Sequence[str]) -> Said | None:
    """An answer that is right by the rule of the set: anybody's, since some rules accept several.

    Where nobody's is, one that at least none of the panel gives: that is all that fitting makes of it.
    """
    said = [item.said[model] for model in sorted(item.said)]
    right = next((each for each in said if item.score(each).whole), None)
    if right is not None or len(item.score(None).right) > 1:
        return right
    given = {item.said[model].key for model in panel if model in item.said}
    return next((each for each in said if each.key not in given), None)


def result(item: Item, panel: Sequence[str]) -> Result[Any]:
    """A stored result of an item."""
    said = candidates(item, panel)
    decision = Decision(output=said[0].output, method="first")
    return Result(
        output=said[0].output, decision=decision, candidates=tuple(said), format=response_format(item.shape.type)
    )


def learn(items: Sequence[Item], panel: Sequence[str], seed: str, labels: int) -> tuple[Learned, str]:
    """Draw labelled items, fit, and name the best member on them."""
    known = [item for item in items if truth(item, panel) and any(model in item.said for model in panel)]
    drawn = random.Random(seed).sample(known, min(labels, len(known)))  # noqa: S311 - reproducible, not secret
    right = {model: sum(item.score(item.said.get(model)).whole for item in drawn) for model in panel}
    learned = fit_weights(
        {item.id: result(item, panel) for item in drawn},
        {item.id: said.data for item in drawn if (said := truth(item, panel))},
        groups={item.id: item.group for item in drawn},
    )
    return learned, max(panel, key=lambda model: right[model])


def run(recording: Recording, pool: Pool, fold_of: Mapping[str, int], labels: int) -> tuple[Table, Counter[str], float]:
    """Put every item to every panel."""
    part_of = {item.group: item.part for item in recording.items}
    groups = tuple(sorted(part_of))
    column = {group: place for place, group in enumerate(groups)}
    size = (len(pool.panels), len(groups))
    names = (BEST, OURS, LEARNED, UNCHECKED, ORACLE)
    parts = tuple(part_of[group] for group in groups)
    table = Table(pool, groups, parts, np.zeros(size), 0, {name: Tally.empty(*size) for name in names})
    bases: Counter[str] = Counter()
    sure: list[tuple[float, bool]] = []
    for row, panel in enumerate(pool.panels):
        items = [item for item in recording.items if item.asked.issuperset(panel)]
        for fold in range(panels.FOLDS):
            rest = [item for item in items if fold_of[item.group] != fold]
            learned, best = learn(rest, panel, f"{panels.SEED}/{panel}/{fold}", labels)
            bases[learned.basis] += 1
            # The benchmark's other tables order the panel by trust; so does this one, by the same labels.
            order = sorted(panel, key=lambda model: (model != best, -learned.scores.get(model, 0.0)))
            for item in items:
                if fold_of[item.group] == fold:
                    one(table, row, column[item.group], item, order, learned, sure)
    return table, bases, error(sure)


def one(
    table: Table, row: int, column: int, item: Item, order: Sequence[str], learned: Learned, sure: list[Any]
) -> None:
    """Decide one item."""
    table.items[row, column] += 1
    scores = [item.score(item.said.get(model)) for model in order]
    table.tallies[BEST].add(row, column, scores[0])
    oracle(table.tallies[ORACLE], row, column, scores)
    said = candidates(item, order)
    for name, told in ((OURS, None), (LEARNED, learned), (UNCHECKED, replace(learned, weights=learned.scores))):
        if not said:
            table.tallies[name].add(row, column, item.score(None))
            continue
        decision = Survey(said, item.shape.type, learned=told).decide()
        answer = Said.read(Said.of(decision.output, item.shape).data, item.shape)
        score = item.score(answer)
        table.tallies[name].add(row, column, score)
        if name == LEARNED:
            for path, verdict in decision.verdicts.items():
                if path in score.right and verdict.probability is not None:
                    sure.append((verdict.probability, score.right[path]))


def error(sure: Sequence[tuple[float, bool]]) -> float:
    """The calibration error of the probabilities, for paths that the set's rule marks."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for probability, right in sure:
        bins[min(BINS - 1, int(probability * BINS))].append((probability, right))
    return sum(abs(sum(p for p, _ in each) - sum(r for _, r in each)) for each in bins) / max(1, len(sure))


def document(
    data: Path, names: Sequence[str], labels: Sequence[int], kinds: Sequence[str], count: int
) -> Iterator[str]:
    """The table."""
    header = ["set, panel, size", "labels", BEST, "equal", LEARNED, UNCHECKED, "over best [95 %]", "over equal [95 %]",
              "bases", "calibration error"]  # fmt: skip
    body = []
    for name in names:
        recording = one_spelling(sets.load(name, data))
        fold_of = panels.folds(recording)
        for pool in panels.pools(recording, count=count):
            if pool.name not in kinds:
                continue
            for few in labels:
                try:
                    table, bases, wrong = run(recording, pool, fold_of, few)
                except ValueError as raised:  # too few labels
                    print(f"{name}, {pool.name}, {pool.size}, {few}: {raised}", file=sys.stderr)
                    continue
                metric = recording.headline
                bootstrap = Bootstrap(table)
                shown = [f"{100 * share(table, each, metric):.1f}" for each in (BEST, OURS, LEARNED, UNCHECKED)]
                gains = [bootstrap.gain(LEARNED, metric, over) for over in (BEST, OURS)]
                told = [f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]" for gain in gains]
                shown_error = "" if name in SPELLED_BY_FIELDS else f"{wrong:.3f}"
                used = ", ".join(f"{basis} {times}" for basis, times in bases.most_common())
                body.append(
                    [f"{name} ({metric}), {pool.name}, {pool.size}", str(few), *shown, *told, used, shown_error]
                )
                print(" | ".join(body[-1]), file=sys.stderr, flush=True)
    yield from report.rows(header, body)


def share(table: Table, name: str, metric: str) -> float:
    """Accuracy, mean over panels."""
    from benchmarks.replay.runs import accuracy

    return float(accuracy(table.tallies[name], table.items, metric).mean())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay.learning", description=__doc__)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data", help="folder of the answers")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, metavar="NAME")
    parser.add_argument("--labels", nargs="+", type=int, default=[100, 200, 400])
    parser.add_argument("--kinds", nargs="+", default=["comparable", "cheap", "any", "unequal"])
    parser.add_argument("--panels", type=int, default=6)
    chosen = parser.parse_args(arguments)
    lines = document(chosen.data, chosen.sets, chosen.labels, chosen.kinds, chosen.panels)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
