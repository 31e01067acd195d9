"""How long it takes to decide, and whether the decision is right, beside a published engine.

    python benchmarks/consensus.py [--rounds 20]

The peer is k-llms. It wants Python 3.12 or later and more than it declares, so it gets an environment of its own, in
which this library is installed as well:

    uv venv -p 3.12 peers
    VIRTUAL_ENV=peers uv pip install k-llms==0.0.55 retab==0.0.45 fastapi pyyaml -e .
    peers/bin/python benchmarks/consensus.py

Without it, its columns stay empty. Nothing is asked over a network: where the peer would ask for embeddings, it is
told to compare by edit distance. Both are given the same five candidates, in one process, in turns. Every candidate is
the truth with mistakes of its own: a share of the leaves, or of the items of a list, is altered, missing, invented or,
for one candidate, in another order. The truth is what a majority says everywhere, so there is one right answer.
"""

from __future__ import annotations

import argparse
import random
import statistics
import string
import time
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, create_model

from ensemble_parse import consensus

if TYPE_CHECKING:
    from collections.abc import Callable

CANDIDATES = 5
MISTAKES = 0.02  # of the items of each candidate, for each kind of mistake


class Line(BaseModel):
    """An item of eight fields."""

    sku: str
    name: str
    quantity: int
    unit: str
    price: float
    tax: float
    total: float
    note: str | None = None


class Invoice(BaseModel):
    """A list of them, and what stands above it."""

    number: str
    lines: list[Line]


Flat: Any = create_model("Flat", **{f"f{i}": ((str, int, float)[i % 3], ...) for i in range(30)})
Inner: Any = create_model("Inner", **{f"f{i}": ((str, int, float)[i % 3], ...) for i in range(5)})
Nested: Any = create_model("Nested", **{f"part{i}": (Inner, ...) for i in range(6)})


def word(rng: random.Random, length: int = 8) -> str:
    """Make up a word."""
    return "".join(rng.choices(string.ascii_lowercase, k=length))


def value(type_: type, rng: random.Random) -> Any:
    """Make up a value."""
    return word(rng) if type_ is str else rng.randint(1, 999) if type_ is int else round(rng.uniform(1, 999), 2)


def line(rng: random.Random) -> Line:
    """Make up an item."""
    price = round(rng.uniform(1, 99), 2)
    return Line(
        sku=word(rng), name=f"{word(rng)} {word(rng)}", quantity=rng.randint(1, 9), unit=rng.choice(["kg", "pc"]),
        price=price, tax=0.2, total=round(rng.uniform(1, 999), 2), note=rng.choice([None, word(rng)]),
    )  # fmt: skip


def flat(model: Any, rng: random.Random) -> list[Any]:
    """Make the truth, and candidates no two of which are wrong on the same leaf."""
    fields = {name: info.annotation for name, info in model.model_fields.items()}
    truth = {name: value(type_, rng) for name, type_ in fields.items()}
    wrong = {name: rng.randrange(2 * CANDIDATES) for name in fields}
    told = [
        {name: value(type_, rng) if wrong[name] == at else truth[name] for name, type_ in fields.items()}
        for at in range(CANDIDATES)
    ]
    return [model(**each) for each in (truth, *told)]


def nested(rng: random.Random) -> list[Any]:
    """Make the same, two levels deep."""
    parts = {name: flat(Inner, rng) for name in Nested.model_fields}
    return [Nested(**{name: each[at] for name, each in parts.items()}) for at in range(CANDIDATES + 1)]


def invoices(count: int, rng: random.Random) -> list[Any]:
    """Make the truth, and candidates at most two of which are wrong on one item."""
    truth = [line(rng) for _ in range(count)]
    told: list[list[Line]] = [[] for _ in range(CANDIDATES)]
    for each in truth:
        wrong = rng.sample(range(CANDIDATES), k=2)
        for at, lines in enumerate(told):
            mistake = rng.random() / MISTAKES if at in wrong else 9.0
            if mistake < 1:
                lines.append(each.model_copy(update={"price": round(rng.uniform(1, 99), 2)}))
            elif mistake < 2:  # noqa: PLR2004 - the second kind of mistake
                lines.append(each.model_copy(update={"name": each.name[:-2] + word(rng, 2)}))
            elif mistake >= 3:  # noqa: PLR2004 - the third is to leave it out
                lines.append(each.model_copy())
            if rng.random() < MISTAKES:
                lines.append(line(rng))
    rng.shuffle(told[-1])
    return [Invoice(number="A-1", lines=lines) for lines in (truth, *told)]


def peer() -> Callable[[list[dict[str, Any]]], dict[str, Any]] | None:
    """Import the other engine, if it is there."""
    try:
        from k_llms.utils.consensus_utils import ConsensusSettings, consensus_values
    except ImportError:
        return None
    settings = ConsensusSettings(string_similarity_method="levenshtein")

    def decide(said: list[dict[str, Any]]) -> dict[str, Any]:
        return consensus_values(said, settings, lambda texts: [[0.0] for _ in texts])[0]

    return decide


def timed(decide: Callable[[], Any], rounds: int) -> float:
    """Give the median of some rounds, in milliseconds of CPU: nothing is waited for, and others may be at work here."""
    seconds = []
    for _ in range(rounds):
        started = time.thread_time()
        decide()
        seconds.append(time.thread_time() - started)
    return 1000 * statistics.median(seconds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    rng = random.Random(7)  # noqa: S311 - the same candidates every time
    cases: dict[str, list[Any]] = {
        "flat, 30 leaves": flat(Flat, rng),
        "nested, 6 x 5 leaves": nested(rng),
        **{f"{count:,} items of 8 fields": invoices(count, rng) for count in (20, 200, 1000)},
        "1,000 items, all agree": [invoices(1000, rng)[0]] * (CANDIDATES + 1),
    }
    other = peer()
    print(f"{CANDIDATES} candidates; medians of {rounds} rounds\n")
    print(f"{'':26}{'ensemble-parse':>18}{'right':>7}{'k-llms':>14}{'right':>7}{'ratio':>8}")
    for name, (truth, *candidates) in cases.items():
        said = [each.model_copy(deep=True) for each in candidates]
        right = consensus(said).output == truth
        mine = timed(lambda said=said: consensus(said), rounds)
        row = f"{name:26}{mine:15.2f} ms{'yes' if right else 'no':>7}"
        if other is not None:
            data = [each.model_dump() for each in said]
            equal = other(data) == truth.model_dump()
            theirs = timed(lambda data=data: other(data), rounds)
            row += f"{theirs:11.2f} ms{'yes' if equal else 'no':>7}{mine / theirs:8.2f}"
        print(row)


if __name__ == "__main__":
    main()
