"""How many answers a second one process makes, when models take no time, beside a bare ``gather`` of the same calls.

    python -m benchmarks.throughput [--quick] [--profile] [--markdown FILE]

Run it from the repository. Every parse asks three models of a loopback server in another process; 200 parses are under
way. Ways take turns in slices, so that a slow moment of the machine hits all of them; what is reported is the median
over slices, and of ratios to the bare ``gather`` of instructor over LiteLLM in the same turn. Lag is how much later
than due a ticker of 10 ms wakes up; memory is what the process has grown by over all slices of a way, after the first.

``--profile`` tells, instead, whose code the time of the client process goes into.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import os
import pstats
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("OPENAI_API_KEY", "sk-loopback")

import instructor
import litellm

from benchmarks.map import memory
from benchmarks.overhead import MESSAGES, Small, example, server
from ensemble_parse import Ensemble, Processor, RetryPolicy, Vote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PARSES, SLICES, UNDER_WAY, MODELS = 5_000, 10, 200, 3
PROFILED = 20  # under way: a profile makes everything several times slower
TICK = 0.01


@dataclass(frozen=True, slots=True)
class Slice:
    """What some parses took: parses a second, CPU ms each, the ticker's lags in ms, memory in MB."""

    rate: float
    cpu: float
    lags: tuple[float, ...]
    grown: float


def ways(base: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """Every way to be compared; all of them ask for a tool, as instructor does by default."""
    bare = instructor.from_litellm(litellm.acompletion)
    call = {"model": "openai/bench", "api_base": base, "api_key": "sk-loopback", "num_retries": 0}
    # 600 requests in one process wait for each other; the bare calls wait for ten minutes.
    patient = RetryPolicy(timeout=600)
    processors = [
        Processor("openai/bench", name=f"p{at}", api_base=base, mode="tools", retry=patient) for at in range(MODELS)
    ]
    ours = {
        "all": Ensemble(processors, Vote(stop="all")),
        "parallel": Ensemble(processors),
        "thrifty": Ensemble(processors, pace="thrifty"),
    }

    async def gathered() -> object:
        return await asyncio.gather(
            *(
                bare.chat.completions.create(response_model=Small, messages=MESSAGES, max_retries=0, **call)
                for _ in range(MODELS)
            )
        )

    return {
        "gather of instructor over LiteLLM": gathered,
        "Ensemble, waits for all": lambda: ours["all"].parse(MESSAGES, Small),
        "Ensemble, parallel": lambda: ours["parallel"].parse(MESSAGES, Small),
        "Ensemble, thrifty": lambda: ours["thrifty"].parse(MESSAGES, Small),
    }


async def run(ask: Callable[[], Awaitable[object]], parses: int, under_way: int = UNDER_WAY) -> None:
    """Parse, so many at a time."""
    left = iter(range(parses))

    async def work() -> None:
        for _ in left:
            await ask()

    await asyncio.gather(*(work() for _ in range(under_way)))


async def timed(ask: Callable[[], Awaitable[object]], parses: int) -> Slice:
    """Measure a slice."""
    lags: list[float] = []

    async def tick() -> None:
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            lags.append((time.perf_counter() - due) * 1000)

    gc.collect()
    ticker, before = asyncio.create_task(tick()), memory()
    cpu, wall = time.process_time(), time.perf_counter()
    await run(ask, parses)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    ticker.cancel()
    gc.collect()
    return Slice(parses / wall, cpu * 1000 / parses, tuple(lags), memory() - before)


async def measure(base: str, parses: int, slices: int) -> dict[str, list[Slice]]:
    """All ways, in turns; every second turn the other way round."""
    compared = ways(base)
    taken: dict[str, list[Slice]] = {name: [] for name in compared}
    for ask in compared.values():
        await timed(ask, UNDER_WAY)
    for turn in range(slices):
        for name in [*compared] if turn % 2 else [*reversed(compared)]:
            taken[name].append(await timed(compared[name], parses // slices))
    return taken


def rows(taken: dict[str, list[Slice]]) -> Iterator[str]:
    """A line of the table for every way."""
    yield "| way | parses/s | CPU ms | lag p99 ms | lag max ms | grown MB | parses/s, ratio | CPU, ratio |"
    yield "|---|---|---|---|---|---|---|---|"
    bare = next(iter(taken.values()))
    for name, slices in taken.items():
        rate, cpu = (statistics.median(getattr(each, what) for each in slices) for what in ("rate", "cpu"))
        lags = sorted(lag for each in slices for lag in each.lags)
        grown = sum(each.grown for each in slices[1:])
        rates = statistics.median(each.rate / other.rate for each, other in zip(slices, bare, strict=True))
        cpus = statistics.median(each.cpu / other.cpu for each, other in zip(slices, bare, strict=True))
        yield (
            f"| {name} | {rate:.1f} | {cpu:.2f} | {lags[int(0.99 * len(lags))]:.0f} | {lags[-1]:.0f} | {grown:+.1f} "
            f"| {rates:.2f} | {cpus:.2f} |"
        )


OWNERS = {
    "ensemble_parse": "ensemble-parse",
    "litellm": "LiteLLM",
    "instructor": "instructor",
    "openai": "the OpenAI SDK",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic",
    "aiohttp": "aiohttp and httpx",
    "httpx": "aiohttp and httpx",
    "asyncio": "asyncio",
    "selectors": "asyncio",
    "logging": "logging",
    "tenacity": "tenacity",
}


def owner(file: str, name: str) -> str:
    """Whose code a function is; what is built in belongs to whoever calls it, and is not asked here."""
    parts = Path(file).parts
    found = (OWNERS[part] for part in (*parts, Path(file).stem) if part in OWNERS)
    return next(found, "built in" if file == "~" and name else "the rest of Python")


def shares(profile: cProfile.Profile) -> Counter[str]:
    """Own time by owner; that of built-in functions is given to the callers."""
    spent: Counter[str] = Counter()
    for (file, _, name), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if file != "~":
            spent[owner(file, name)] += own
            continue
        for (calling, _, by), (_, _, part, _) in callers.items():
            spent[owner(calling, by)] += part
    return spent


async def profiled(base: str, parses: int) -> list[str]:
    """Whose CPU time it is on the loop's thread, for the bare calls and for an ensemble with the same calls."""
    compared = ways(base)
    found: list[Counter[str]] = []
    for name in list(compared)[:2]:
        await run(compared[name], UNDER_WAY, PROFILED)
        profile = cProfile.Profile(time.thread_time)  # not the time in which others have the processor
        with profile:
            await run(compared[name], parses, PROFILED)
        found.append(shares(profile))
    bare, ours = found
    scale = 100 / bare.total()
    shown = [(who, scale * bare[who], scale * ours[who]) for who, _ in (bare + ours).most_common()]
    return [
        "| whose code | bare, % | Ensemble, % of bare |",
        "|---|---|---|",
        *(f"| {who} | {one:.1f} | {other:.1f} |" for who, one, other in shown),
        f"| all | 100.0 | {scale * ours.total():.1f} |",
    ]


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the parses")
    parser.add_argument("--profile", action="store_true", help="whose code the time goes into")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    litellm.suppress_debug_info = True
    parses = PARSES // 5 if options.quick else PARSES
    answer: dict[str, Any] = example(Small)
    with server(answer) as base:
        if options.profile:
            lines = asyncio.run(profiled(base, parses // 5))
        else:
            lines = [*rows(asyncio.run(measure(base, parses, SLICES // 2 if options.quick else SLICES)))]
    print(*lines, sep="\n")
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
