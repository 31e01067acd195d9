"""What many inputs cost: the journal and the progress in time, 100,000 inputs in memory.

    python benchmarks/map.py [--quick] [--markdown FILE]

The client answers at once, so that nothing but this library's own time is measured, or after some milliseconds, as no
model is quick enough to. For the time, runs with and without
journal and progress take turns, and what is reported is the median over rounds of the ratio of CPU and of wall time of
neighbours. The bar is drawn on a real pseudo-terminal. What kills do is measured by `python -m tests.kills`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import pty
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ensemble_parse import Ensemble
from ensemble_parse.testing import FunctionClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ensemble_parse import ModelCall

MODELS = ["a/1", "b/2", "c/3"]
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Invoice(BaseModel):
    """A small answer."""

    vendor: str
    total: float


async def run(
    inputs: int, settings: dict[str, Any], *, latency: float = 0.0, watch: dict[int, float] | None = None
) -> None:
    """Map over so many inputs, each another text; note the memory now and then."""

    async def answer(call: ModelCall[Any]) -> Invoice:
        if latency:
            await asyncio.sleep(latency)
        return Invoice(vendor="ACME", total=len(call.messages[0]["content"]))

    client = FunctionClient(answer)
    ensemble = Ensemble(MODELS, client=client)
    count = 0
    async for item in ensemble.map((f"Invoice {i}" for i in range(inputs)), Invoice, **settings):
        assert item.result
        client.calls.clear()  # the testing client keeps what it was asked
        count += 1
        if watch is not None and count % (inputs // 10) == 0:
            gc.collect()
            watch[count] = memory()
    assert count == inputs


def memory() -> float:
    """Resident MB of this process, where the system tells."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


@contextlib.contextmanager
def terminal() -> Iterator[None]:
    """Let standard error be a terminal that somebody reads."""
    leader, follower = pty.openpty()

    def read() -> None:
        with contextlib.suppress(OSError):
            while os.read(leader, 65536):
                pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    kept, term = sys.stderr, os.environ.get("TERM")
    os.environ["TERM"] = "xterm-256color"
    try:
        with open(follower, "w", encoding="utf-8") as sys.stderr:  # noqa: PTH123 - a descriptor has no path
            yield
    finally:
        sys.stderr = kept
        os.environ["TERM"] = term or ""
        os.close(leader)


def timed(inputs: int, latency: float, *, journal: bool, progress: bool) -> tuple[float, float]:
    """CPU and wall microseconds per input."""
    with tempfile.TemporaryDirectory() as folder, terminal():
        settings: dict[str, Any] = {"journal": Path(folder) / "run.jsonl"} if journal else {}
        settings |= {"progress": True} if progress else {}
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        asyncio.run(run(inputs, settings, latency=latency))
        return (time.process_time() - cpu) * 1e6 / inputs, (time.perf_counter() - wall) * 1e6 / inputs


def costs(rounds: int, inputs: int, latency: float) -> list[str]:
    """Journal, progress and both, against a run without."""
    ways = {"journal": (True, False), "progress": (False, True), "journal and progress": (True, True)}
    taken: dict[str, list[tuple[tuple[float, float], tuple[float, float]]]] = {name: [] for name in ways}
    timed(inputs // 5, latency, journal=True, progress=True)
    for turn in range(rounds):
        for name, (journal, progress) in ways.items():
            pair: dict[bool, tuple[float, float]] = {}
            for with_ in (False, True) if turn % 2 else (True, False):
                pair[with_] = timed(inputs, latency, journal=journal and with_, progress=progress and with_)
            taken[name].append((pair[False], pair[True]))
    lines: list[str] = []
    for name, pairs in taken.items():
        without, with_ = (statistics.median(pair[at][1] for pair in pairs) for at in (0, 1))
        cpu, wall = (statistics.median(after[at] / before[at] for before, after in pairs) for at in (0, 1))
        added = statistics.median(after[0] - before[0] for before, after in pairs)
        lines.append(
            f"| {latency * 1000:g} | {name} | {without:.0f} | {with_:.0f} | {wall:.3f} | {added:.0f} | {cpu:.3f} |"
        )
    return lines


def growth(inputs: int) -> list[str]:
    """Resident memory along one long run, journal and bar included."""
    watch: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder, terminal():
        asyncio.run(run(inputs, {"journal": Path(folder) / "run.jsonl", "progress": True}, watch=watch))
        size = (Path(folder) / "run.jsonl").stat().st_size / 1e6
    lines = ["| inputs | resident MB |", "|---|---|", *(f"| {at:,} | {mb:.1f} |" for at, mb in watch.items())]
    return [*lines, "", f"The journal: {size:.0f} MB."]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and inputs")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    options = parser.parse_args()
    lines: list[str] = []

    def say(*more: str) -> None:
        print(*more, sep="\n", flush=True)
        lines.extend(more)

    say("| latency, ms | with | wall us per input, without | with | ratio | CPU us added | CPU ratio |")
    say("|---|---|---|---|---|---|---|")
    for latency in (0.0, 0.01, 0.05):
        inputs = (2_000 if options.quick else 5_000) if not latency else 400
        say(*costs(3 if options.quick else 7, inputs, latency))
    say("", *growth(10_000 if options.quick else 100_000))
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
