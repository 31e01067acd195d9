"""Decide recorded answers again, by every method, and say how right each is.

    python -m benchmarks.replay [--data FOLDER] [--sets NAME ...] [--quick] [--alternatives] [--markdown FILE]

Run it from the repository. The same data gives the same figures. ``docs/explanation/evidence.md`` says what they mean.
k-llms is compared where it is installed (0.0.55, with retab 0.0.45 and what they import).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.replay import alternatives, methods, panels, peers, report, runs, sets
from ensemble_parse import consensus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.replay.methods import Method

ROOT = Path(__file__).resolve().parents[2]
PANELS, QUICK_PANELS, QUICK_EVERY = 24, 6, 5


def failures(decide: runs.Decisions) -> list[str]:
    """What the library raised; each was counted as a wrong and invalid answer."""
    return [
        f"{name} raised {error} ({count} times)"
        for name, method in decide.methods.items()
        if isinstance(method, methods.Ours)
        for error, count in method.failures.most_common(3)
    ]


def compared() -> runs.Decisions:
    """Every method that can run here."""
    found: dict[str, Method] = methods.baselines()
    peer = peers.k_llms()
    if peer is None:
        print("k-llms 0.0.55 with retab 0.0.45 cannot be imported: left out.", file=sys.stderr)
    else:
        found["k-llms"] = peer
    found[runs.OURS] = methods.Ours(consensus)
    return runs.Decisions(found)


def evaluate(recording: sets.Recording, decide: runs.Decisions, count: int) -> list[runs.Table]:
    """Every kind of panel of a set."""
    fold_of = panels.folds(recording)
    trust = panels.trust(recording, fold_of)
    return [runs.run(recording, pool, fold_of, trust, decide) for pool in panels.pools(recording, count=count)]


def document(recordings: Sequence[sets.Recording], results: report.Results) -> Iterator[str]:
    """All tables."""
    yield "## Accuracy by each set's headline, in per cent, mean over panels\n"
    yield from report.headline(results)
    if any(runs.OURS in table.tallies for _, table in results):
        for other in ("k-llms", "first valid", "naive fields"):
            yield f"## Ours against {other}, in points\n"
            yield from report.against(results, other)
        yield "## How much of the gap between the best member and the oracle is closed\n"
        yield from report.closed(results)
        yield "## Accuracy by the agreement that is reported (and how often that is)\n"
        yield from report.calibration(results)
    if any(len(set(table.parts)) > 1 for _, table in results):
        yield "## Sets that have parts: whole answers right, in per cent\n"
        yield from report.parts(results)
    yield "## Every method\n"
    for recording, table in results:
        yield from report.one(recording, table)
    yield "## Candidates\n"
    yield from report.candidates(recordings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the recorded answers"
    )
    parser.add_argument("--sets", nargs="+", choices=[*sets.SOURCES], default=[*sets.SOURCES], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="fewer items and panels: to see that it runs")
    parser.add_argument("--alternatives", action="store_true", help="measure other defaults than the library's instead")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file, too")
    chosen = parser.parse_args(arguments)
    files = dict.fromkeys(f for name in chosen.sets for f in sets.SOURCES[name].files)
    missing = [f for f in files if not (chosen.data / f"{f}.jsonl.gz").exists()]
    if missing:
        print(f"Skipped: {chosen.data} lacks {', '.join(missing)}; give the folder with --data.", file=sys.stderr)
        return 0
    recordings: list[sets.Recording] = []
    results: list[tuple[sets.Recording, runs.Table]] = []
    raised: list[str] = []
    for name in chosen.sets:
        started = time.perf_counter()
        recording = sets.load(name, chosen.data, every=QUICK_EVERY if chosen.quick else 1)
        decide = alternatives.methods(consensus, name) if chosen.alternatives else compared()
        recordings.append(recording)
        count = QUICK_PANELS if chosen.quick else PANELS
        results += [(recording, table) for table in evaluate(recording, decide, count)]
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        raised += failures(decide)
    if not results:
        print("No set has a panel of models that were asked the same items.", file=sys.stderr)
        return 1
    pages = alternatives.document(results) if chosen.alternatives else document(recordings, results)
    text = "\n".join(pages)
    print(text)
    if chosen.markdown:
        chosen.markdown.write_text(text + "\n", encoding="utf-8")
    print("\n".join(raised), file=sys.stderr)
    return 1 if raised else 0


if __name__ == "__main__":
    sys.exit(main())
