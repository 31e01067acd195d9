"""What an ensemble adds to the calls that it makes: CPU and wall time per candidate, side by side in one run.

    python benchmarks/overhead.py [--quick] [--markdown FILE]

Every way asks the same loopback server, in another process, for three answers of the same type. Ways take turns, round
by round, so that a slow moment of the machine hits all of them; what is reported is the median over rounds of CPU time
of this process (all threads) and wall time, per candidate, and the ratio to bare instructor over LiteLLM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")
os.environ.setdefault("OPENAI_API_KEY", "sk-loopback")

import httpx
import instructor
import litellm
import openai
from pydantic import BaseModel, create_model

from ensemble_parse import Ensemble, Processor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
MESSAGES: list[Any] = [{"role": "user", "content": "Read the document and answer."}]
SAMPLES = 3


class Small(BaseModel):
    """Three fields."""

    vendor: str
    total: float
    paid: bool


def large() -> type[BaseModel]:
    """A hundred fields in eleven classes."""
    parts: dict[str, Any] = {}
    for part in range(10):
        fields: dict[str, Any] = {f"field_{i}": (int if i % 2 else str, ...) for i in range(10)}
        parts[f"part_{part}"] = (create_model(f"Part{part}", **fields), ...)
    return create_model("Large", **parts)


def example(model: type[BaseModel]) -> dict[str, Any]:
    """Data that is valid for a model."""
    values: dict[Any, Any] = {str: "a text", int: 7, float: 1.5, bool: True}
    return {
        name: example(field.annotation) if field.annotation not in values else values[field.annotation]  # type: ignore[arg-type]
        for name, field in model.model_fields.items()
    }


@dataclass(frozen=True)
class Way:
    """One way to get three candidates."""

    name: str
    ask: Callable[[], Awaitable[object]]


def ways(model: type[BaseModel], base: str, http: httpx.AsyncClient, sdk: openai.AsyncOpenAI) -> list[Way]:
    """Every way to be compared, for one response type."""
    bare = instructor.from_litellm(litellm.acompletion)
    three = Ensemble([Processor("openai/bench", name=f"p{i}", api_base=base, mode="tools") for i in range(SAMPLES)])
    native = Ensemble([Processor("openai/bench", name=f"p{i}", api_base=base) for i in range(SAMPLES)])
    together = Ensemble([Processor("openai/bench", n=SAMPLES, api_base=base)])
    body = {
        "model": "bench",
        "messages": MESSAGES,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": model.model_json_schema()}},
    }

    async def with_instructor() -> object:
        call = {"model": "openai/bench", "api_base": base, "api_key": "sk-loopback", "num_retries": 0}
        return await asyncio.gather(
            *(
                bare.chat.completions.create(response_model=model, messages=MESSAGES, max_retries=0, **call)
                for _ in range(SAMPLES)
            )
        )

    async def with_sdk() -> object:
        return await asyncio.gather(
            *(
                sdk.chat.completions.parse(model="bench", messages=MESSAGES, response_format=model)
                for _ in range(SAMPLES)
            )
        )

    async def with_httpx() -> object:
        async def one() -> BaseModel:
            response = await http.post(f"{base}/chat/completions", json=body)
            return model.model_validate_json(response.json()["choices"][0]["message"]["content"])

        return await asyncio.gather(*(one() for _ in range(SAMPLES)))

    return [
        Way("instructor over LiteLLM, tools", with_instructor),
        Way("Ensemble, 3 processors, tools", lambda: three.parse(MESSAGES, model)),
        Way("Ensemble, 3 processors, strict schema", lambda: native.parse(MESSAGES, model)),
        Way("openai SDK parse", with_sdk),
        Way("Ensemble, n=3 in one request", lambda: together.parse(MESSAGES, model)),
        Way("raw httpx and pydantic", with_httpx),
    ]


@contextlib.contextmanager
def server(answer: dict[str, Any]) -> Iterator[str]:
    """The loopback server in a process of its own, so that its CPU time is not ours."""
    command = [sys.executable, "-m", "tests.loopback", "--port", "0", "--answer", json.dumps(answer)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip() + "/v1"
    finally:
        process.terminate()
        process.communicate()


async def timed(way: Way, calls: int, concurrency: int) -> tuple[float, float]:
    """CPU and wall milliseconds per candidate."""
    gate = asyncio.Semaphore(concurrency)

    async def one() -> None:
        async with gate:
            await way.ask()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(calls)))
    scale = 1000 / (calls * SAMPLES)
    return (time.process_time() - cpu) * scale, (time.perf_counter() - wall) * scale


async def measure(
    model: type[BaseModel], base: str, concurrency: int, rounds: int, calls: int
) -> list[tuple[str, float, float, float]]:
    """Median CPU, wall and ratio of CPU to bare instructor, for every way."""
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=2000)
    async with (
        httpx.AsyncClient(limits=limits, timeout=60) as http,
        openai.AsyncOpenAI(base_url=base, api_key="sk-loopback", max_retries=0) as sdk,
    ):
        compared = ways(model, base, http, sdk)
        for way in compared:
            await timed(way, max(2, calls // 5), concurrency)
        taken: dict[str, list[tuple[float, float]]] = {way.name: [] for way in compared}
        for _ in range(rounds):
            for way in compared:
                taken[way.name].append(await timed(way, calls, concurrency))
    reference = [cpu for cpu, _ in taken[compared[0].name]]
    return [
        (
            name,
            statistics.median(cpu for cpu, _ in figures),
            statistics.median(wall for _, wall in figures),
            statistics.median(cpu / bare for (cpu, _), bare in zip(figures, reference, strict=True)),
        )
        for name, figures in taken.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, concurrency 1 and 50 only")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    litellm.suppress_debug_info = True
    lines = ["| type | concurrency | way | CPU ms | wall ms | CPU ratio |", "|---|---|---|---|---|---|"]
    print("\n".join(lines))
    for name, model in (("3 fields", Small), ("100 fields", large())):
        with server(example(model)) as base:
            for concurrency in (1, 50) if options.quick else (1, 50, 500):
                calls = {1: 30, 50: 100, 500: 500}[concurrency]
                rounds = 3 if options.quick else 7
                for way, cpu, wall, ratio in asyncio.run(measure(model, base, concurrency, rounds, calls)):
                    lines.append(f"| {name} | {concurrency} | {way} | {cpu:.2f} | {wall:.2f} | {ratio:.2f} |")
                    print(lines[-1], flush=True)
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
