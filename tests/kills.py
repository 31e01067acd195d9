"""A run over many inputs in a process that is killed again and again: what is lost, and what is paid for twice.

    python -m tests.kills --kills 100 --items 2000

The process writes a line for every call that is paid for and for every item that it is given, each with one append, so
that the log holds what happened whatever became of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ensemble_parse import ModelCall

ROOT = Path(__file__).parents[1]
MODELS = ("a/1", "b/2")
CONCURRENCY = 8
LATENCY = 0.01  # seconds of a call


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the log says after the last process came to the end.

    Attributes:
        kills: processes that were killed.
        paid: calls.
        again: calls for an item that had been given already.
        given: items that any process was given.
        final: what the last process was given, by item.
        most_twice: the most calls of one model for one item.
    """

    kills: int
    paid: int
    again: int
    given: int
    final: dict[int, int]
    most_twice: int


def killed(folder: Path, *, kills: int, items: int, seed: int) -> Report:
    """Run to the end through so many kills."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    log = folder / "log"
    log.touch()
    lines = (len(MODELS) + 1) * items  # of a run that nothing ends
    done = 0
    while done < kills:
        child = _child(folder, items, stdout=subprocess.DEVNULL)
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0, 1))  # while it starts, or reads the journal
        else:
            # By what it has done, not by the clock: on a busy computer all would die before their first answer.
            enough = _count(log) + chance.uniform(1, 1.6 * lines / kills)
            while _count(log) < enough and child.poll() is None:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, LATENCY))
        if child.poll() is None:
            child.kill()
            done += 1
        ended = child.wait()
        if ended == 0:
            break  # nothing was left to do
    last = _child(folder, items)
    said, _ = last.communicate()
    assert last.returncode == 0, said
    final = dict(map(int, line.split()) for line in said.splitlines())
    return _report(done, (folder / "log").read_text().splitlines(), final)


def _count(log: Path) -> int:
    return log.read_bytes().count(b"\n")


def _child(folder: Path, items: int, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.kills", "--child", str(folder), "--items", str(items)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    return subprocess.Popen(command, stdout=stdout, text=True, cwd=ROOT, env=environment)


def _report(kills: int, log: list[str], final: dict[int, int]) -> Report:
    paid = again = 0
    given: set[str] = set()
    calls: Counter[str] = Counter()
    for line in log:
        what, _, about = line.partition(" ")
        if what == "given":
            given.add(about)
        else:
            paid += 1
            calls[about] += 1
            again += about.split()[1] in given
    return Report(
        kills=kills, paid=paid, again=again, given=len(given), final=final, most_twice=max(calls.values(), default=0)
    )


async def _child_main(folder: Path, items: int) -> None:
    from ensemble_parse import Ensemble
    from ensemble_parse.testing import FunctionClient

    log = os.open(folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def answer(call: ModelCall[Any]) -> int:
        number = int(call.messages[0]["content"])
        os.write(log, f"paid {call.model} {number}\n".encode())
        await asyncio.sleep(LATENCY)
        return number * 7

    ensemble = Ensemble(MODELS, client=FunctionClient(answer))
    came = ensemble.map(map(str, range(items)), int, concurrency=CONCURRENCY, journal=folder / "run.jsonl")
    said = []
    async for item in came:
        os.write(log, f"given {item.id}\n".encode())
        said.append(f"{item.id} {item.output}")
    print(*said, sep="\n", flush=True)


def main() -> None:
    """Be the process that is killed, or kill it and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.child:
        asyncio.run(_child_main(options.child, options.items))
        return
    with tempfile.TemporaryDirectory() as folder:
        report = killed(Path(folder), kills=options.kills, items=options.items, seed=options.seed)
    extra = report.paid - len(MODELS) * options.items
    print(f"{report.kills} kills over {options.items} items, {CONCURRENCY} at a time, {len(MODELS)} models")
    print(f"items at the end: {len(report.final)}, right: {sum(v == 7 * k for k, v in report.final.items())}")
    print(
        f"calls: {report.paid}; beyond one for each item and model: {extra}, {extra / max(1, report.kills):.1f} a kill"
    )
    print(f"calls for an item that had been given: {report.again}; most for one item and model: {report.most_twice}")


if __name__ == "__main__":
    main()
