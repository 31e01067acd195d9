"""How long an answer takes, what it costs and how right it is, beside the ensemble that everybody writes first.

    python -m benchmarks.latency [--data FOLDER] [--quick] [--markdown FILE]

Run it from the repository. A server in another process answers as recorded models did, with their seconds and tokens
(``benchmarks.playback``); without the data it answers as made-up ones would. Every way is given the same requests with
the same panels; requests and ways are shuffled into one queue, so that a slow moment of the machine hits all of them.
Many requests are under way at a time, so that time need not be scaled down by more than two: the less the models take,
the more of it is the machine's. How much that is stands below the table. Types are prepared, and connections opened,
beforehand. Nobody asks twice: there is one recorded answer.

``requests`` counts every request that was started, cancelled ones too. ``tokens`` counts all of theirs in full, as if a
cancelled one were billed to its end; ``answered`` those of requests that were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("OPENAI_API_KEY", "sk-loopback")

import httpx
import litellm
import openai

from benchmarks import naive, recorded
from ensemble_parse import AllProcessorsFailed, Ensemble, Judge, Processor, RetryPolicy, Vote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from benchmarks.recorded import Case, Recording

ROOT = Path(__file__).resolve().parent.parent
WAITS_FOR_ALL = "parallel, all"
Pace: TypeAlias = Literal["parallel", "hedged", "thrifty"]
PACES: tuple[Pace, ...] = ("parallel", "hedged", "thrifty")
STOPS: tuple[Literal["unbeatable", "two"], ...] = ("unbeatable", "two")
HEAD = (
    "| N | way | mean s | p50 s | p95 s | requests | tokens | answered | right % "
    "| mean / naive | p95 / naive | requests / naive | tokens / naive | answered / naive |"
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one answer took: seconds as recorded, requests, tokens billed at most and at least, and if it was right."""

    seconds: float
    requests: int
    tokens: int
    answered: int
    right: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of one request: the answer, requests, tokens."""

    answer: Any
    requests: int
    tokens: int
    answered: int


def settings(judge: Judge) -> dict[str, tuple[Pace, Vote]]:
    """Every pace and stopping rule to be compared, by name."""
    arbiter = "judge about what is disputed"
    return {
        # Waiting for all is the same in every pace.
        WAITS_FOR_ALL: ("parallel", Vote(stop="all")),
        **{f"{pace}, {stop}": (pace, Vote(stop=stop)) for pace in PACES for stop in STOPS},
        f"parallel, unbeatable, {arbiter}": ("parallel", Vote(arbiter=judge)),
        f"thrifty, unbeatable, {arbiter}": ("thrifty", Vote(arbiter=judge)),
    }


class Ways:
    """Every way to be compared."""

    def __init__(self, recording: Recording, base: str, sdk: openai.AsyncOpenAI) -> None:
        """Name them."""
        self._recording, self._base = recording, base
        self._ensembles: dict[tuple[str, tuple[str, ...]], Ensemble] = {}
        once = RetryPolicy(attempts=1, reasks=0, timeout=600)
        judge = Judge(Processor(f"openai/{recording.judge}", api_base=base, retry=once))
        self.settings = settings(judge)
        self._once = once
        self.all: dict[str, Callable[[Case], Awaitable[Asked]]] = {
            "naive: instructor over LiteLLM": lambda case: self._naive(naive.with_litellm(base), case),
            "naive: openai SDK": lambda case: self._naive(naive.with_sdk(sdk), case),
            **{name: lambda case, name=name: self._ours(name, case) for name in self.settings},
        }

    def ensemble(self, name: str, panel: tuple[str, ...]) -> Ensemble:
        """One for each panel, which keeps what it learns about latencies."""
        if (name, panel) not in self._ensembles:
            pace, vote = self.settings[name]
            processors = [
                Processor(f"openai/{model}", name=model, api_base=self._base, retry=self._once) for model in panel
            ]
            self._ensembles[name, panel] = Ensemble(processors, vote, pace=pace)
        return self._ensembles[name, panel]

    async def _naive(self, ask: naive.Ask, case: Case) -> Asked:
        lines = self._recording.lines[case.id]
        tokens = sum(sum(lines[model][1:3]) for model in case.panel)
        requests = len(case.panel) + 1
        try:
            answer, judging = await naive.ensemble(
                ask, case.panel, self._recording.judge, [{"role": "user", "content": case.prompt}], case.type
            )
        except Exception:  # noqa: BLE001 - what is no answer is wrong, whatever the two libraries raise
            judging, answer = sum(lines[self._recording.judge][1:3]), None
        return Asked(answer, requests, tokens + judging, tokens + judging)

    async def _ours(self, name: str, case: Case) -> Asked:
        answer = None
        try:
            result = await self.ensemble(name, case.panel).run(case.prompt, case.type)
        except AllProcessorsFailed as failed:
            attempts = failed.attempts
        else:
            answer, attempts = result.output, result.attempts
        cancelled = [each for each in attempts if each.error == "Cancelled"]
        answered = sum(each.usage.total_tokens for each in attempts)
        lines = self._recording.lines[case.id]
        never = sum(sum(lines[each.processor][1:3]) for each in cancelled)
        return Asked(answer, len(attempts), answered + never, answered)


async def measure(recording: Recording, base: str, speed: float, concurrency: int) -> dict[str, list[Spent]]:
    """Put every request to every way."""
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=2000)
    async with openai.AsyncOpenAI(
        base_url=base, api_key="sk-loopback", max_retries=0, http_client=openai.DefaultAsyncHttpxClient(limits=limits)
    ) as sdk:
        ways = Ways(recording, base, sdk)
        for case in recording.cases:
            for name in ways.settings:
                await ways.ensemble(name, case.panel).check(case.type)
        # Four answers for every panel: until then a hedged ensemble does not know how long to wait.
        panels = {case.panel: case for case in recording.cases}
        warming = [
            ask(case)
            for case in panels.values()
            for name, ask in ways.all.items()
            for _ in range(2 if name.startswith("hedged") else 1)
        ]
        for at in range(0, len(warming), concurrency):
            await asyncio.gather(*warming[at : at + concurrency])
        spent: dict[str, list[Spent]] = {name: [] for name in ways.all}
        queue = [(case, name) for case in recording.cases for name in ways.all]
        random.Random(7).shuffle(queue)  # noqa: S311 - the same order every time
        waiting = iter(queue)

        async def work() -> None:
            for case, name in waiting:
                started = time.perf_counter()
                asked = await ways.all[name](case)
                seconds = (time.perf_counter() - started) * speed
                right = asked.answer is not None and case.right(asked.answer)
                spent[name].append(Spent(seconds, asked.requests, asked.tokens, asked.answered, right))

        await asyncio.gather(*(work() for _ in range(concurrency)))
    return spent


@contextlib.contextmanager
def server(recording: Recording, speed: float) -> Iterator[str]:
    """The server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.playback", "--speed", str(speed)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(recorded.table(recording) + "\n")
        process.stdin.flush()
        yield process.stdout.readline().strip() + "/v1"
    finally:
        process.terminate()
        process.communicate()


def centile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all are."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def rows(size: int, spent: dict[str, list[Spent]]) -> Iterator[str]:
    """A line of the table for every way, with ratios to the first."""
    reference: list[float] | None = None
    for name, each in spent.items():
        seconds = [one.seconds for one in each]
        mean, p50, p95 = statistics.fmean(seconds), centile(seconds, 0.5), centile(seconds, 0.95)
        requests = statistics.fmean(one.requests for one in each)
        tokens, answered = (statistics.fmean(getattr(one, what) for one in each) for what in ("tokens", "answered"))
        right = 100 * statistics.fmean(one.right for one in each)
        told = [mean, p95, requests, tokens, answered]
        reference = reference or told
        ratios = " | ".join(f"{one / other:.2f}" for one, other in zip(told, reference, strict=True))
        yield (
            f"| {size} | {name} | {mean:.2f} | {p50:.2f} | {p95:.2f} | {requests:.2f} | {tokens:.0f} | {answered:.0f} "
            f"| {right:.1f} | {ratios} |"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the recorded answers")
    parser.add_argument("--quick", action="store_true", help="every eighth request")
    parser.add_argument("--speed", type=float, default=2.0, help="how many times faster than recorded")
    parser.add_argument("--concurrency", type=int, default=32, help="requests under way")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    options = parser.parse_args(arguments)
    litellm.suppress_debug_info = True
    logging.getLogger("instructor").setLevel(logging.CRITICAL)  # it logs every answer that is none
    lines: list[str] = []

    def say(*more: str) -> None:
        print(*more, sep="\n", flush=True)
        lines.extend(more)

    say(HEAD, "|" + "---|" * (HEAD.count("|") - 1))
    checks: list[str] = []
    for size in (3, 5):
        every = 8 if options.quick else 1
        if (options.data / "bfcl-single.jsonl.gz").exists():
            recording = recorded.bfcl(options.data, size, every)
        else:
            recording = recorded.made_up(size, 480 // every)
        with server(recording, options.speed) as base:
            spent = asyncio.run(measure(recording, base, options.speed, options.concurrency))
            counted = httpx.get(base.removesuffix("/v1") + "/loopback", trust_env=False).json()["requests"]
        say(*rows(size, spent))
        took, alone = statistics.fmean(one.seconds for one in next(iter(spent.values()))), recorded.expected(recording)
        checks.append(
            f"N={size}: {recording.source}; {options.speed:g} times faster, {options.concurrency} under way. The "
            f"models alone of the naive ensemble take {statistics.fmean(alone):.2f} s, measured {took:.2f} s. The "
            f"server saw {counted} requests, warming up included."
        )
    say("", *checks)
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
