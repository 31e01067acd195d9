"""Who is on a panel, and whom it trusts most: fitted on other folds than those that are scored."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.replay.sets import Recording

FOLDS = 5
COVERAGE = 0.6
SEED = 20240811

# Strong models of different vendors, chosen with their own accuracies in sight, but before any method was run.
COMPARABLE: Mapping[str, tuple[str, ...]] = {
    "sob-image": (
        "anthropic/claude-opus-4.7", "openai/gpt-5.5", "google/gemini-3.1-pro", "xai/grok-4.3", "moonshot/kimi-k2.6",
        "deepseek/deepseek-v4-pro", "zai/glm-5.1", "qwen/qwen3-235b-a22b", "interfaze/interfaze-beta",
    ),
    "finrag-single": (
        "anthropic/claude-3-opus-20240229", "openai/gpt-4o-2024-05", "mistral/mistral-large-2024-05",
        "cohere/command-r-plus", "meta/llama-3-70b-instruct",
    ),
    "finrag-series": (
        "anthropic/claude-3-opus-20240229", "openai/gpt-4o-2024-05", "mistral/mistral-large-2024-05",
        "cohere/command-r-plus", "meta/llama-3-70b-instruct",
    ),
    "longlist": (
        "openai/gpt-5.5#0", "openai/gpt-5.6-luna#1", "openai/gpt-5.6-sol#1", "openai/gpt-5.6-terra#2",
        "anthropic/claude-opus-4.8", "anthropic/claude-fable-5", "reducto/deep-extract-v3#strict",
        "reducto/deep-extract-v3#targeted",
    ),
    "bfcl": (
        "openai/gpt-4-turbo-2024-04-09", "anthropic/claude-3-5-sonnet-20240620", "google/gemini-1.5-pro-0514:fc",
        "mistral/mistral-large-2407:fc", "meta/llama-3-70b-instruct", "cohere/command-r-plus:fc",
        "nvidia/nemotron-4-340b-instruct", "databricks/dbrx-instruct", "fireworks/firefunction-v2:fc",
        "01ai/yi-large:fc", "meetkai/functionary-medium-v3.1:fc", "gorilla/openfunctions-v2",
    ),
    "zeroeval": (
        "openai/gpt-4o-2024-08-06", "anthropic/claude-3-5-sonnet-20241022", "google/gemini-1.5-pro-exp-0801",
        "google/gemini-1.5-pro", "meta/llama-3.1-405b-instruct", "mistral/mistral-large-2407",
        "qwen/qwen2.5-72b-instruct", "qwen/qwen2-72b-instruct", "deepseek/deepseek-v2.5-0908", "xai/grok-2-1212",
        "01ai/yi-large", "reka/reka-core-20240501",
    ),
    "mmlupro": (
        "openai/gpt-4o-2024-05-13", "google/gemini-1.5-pro-002", "google/gemini-1.5-flash-002",
        "meta/llama-3.1-70b-instruct", "deepseek/deepseek-coder-v2", "deepseek/deepseek-v2-chat",
        "ai21/jamba-1.5-large", "qwen/qwen1.5-72b-chat",
    ),
}  # fmt: skip
CHEAP: Mapping[str, tuple[str, ...]] = {
    "bfcl": (
        "openai/gpt-4o-mini-2024-07-18", "openai/gpt-3.5-turbo-0125", "anthropic/claude-3-haiku-20240307",
        "google/gemini-1.5-flash-0514:fc", "mistral/open-mixtral-8x22b", "mistral/open-mistral-nemo-2407",
        "meta/llama-3-8b-instruct", "cohere/command-r-plus", "fireworks/firefunction-v2:fc", "gorilla/openfunctions-v2",
    ),
}  # fmt: skip
# One strong model and others that are 18 to 32 points weaker: where plain voting is known to harm.
UNEQUAL: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "mmlupro": (
        ("google/gemini-1.5-pro-002", "ai21/jamba-1.5-large", "qwen/qwen1.5-72b-chat"),
        (
            "google/gemini-1.5-pro-002", "ai21/jamba-1.5-large", "mistral/mixtral-8x7b-instruct", "cohere/command-r",
            "microsoft/phi-3-mini-4k-instruct",
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pool:
    """Panels of one kind and one size."""

    name: str
    size: int
    panels: tuple[tuple[str, ...], ...]


def vendor(model: str) -> str:
    """Who made it."""
    return model.split("/", maxsplit=1)[0]


def system(model: str) -> str:
    """The model, whichever of its runs it is."""
    return model.split("#", maxsplit=1)[0]


def draw(models: Sequence[str], size: int, count: int) -> tuple[tuple[str, ...], ...]:
    """Draw panels of different vendors, all of them where there are no more than asked for.

    Where there are too few vendors, the members are different systems.
    """
    models = sorted(models)
    maker = vendor if len({vendor(model) for model in models}) >= size else system
    by_maker: dict[str, list[str]] = {}
    for model in models:
        by_maker.setdefault(maker(model), []).append(model)
    if len(by_maker) < size:
        return ()
    chance = random.Random(f"{SEED}/{size}/{models}")  # noqa: S311 - reproducible, not secret
    possible = math.comb(len(by_maker), size) * math.prod(sorted(map(len, by_maker.values()))[-size:])
    found: set[tuple[str, ...]] = set()
    for _ in range(min(200 * count, 40 * possible)):
        makers = chance.sample(sorted(by_maker), size)
        found.add(tuple(sorted(chance.choice(by_maker[each]) for each in makers)))
        if len(found) == count:
            break
    return tuple(sorted(found))


def pools(recording: Recording, *, count: int) -> list[Pool]:
    """The panels of a set."""
    asked: dict[str, int] = {}
    for item in recording.items:
        for model in item.asked:
            asked[model] = asked.get(model, 0) + 1
    there = [model for model, times in asked.items() if times >= COVERAGE * len(recording.items)]
    family = {"bfcl-composite": "bfcl"}.get(recording.name, recording.name)
    family = "zeroeval" if family.startswith("zeroeval") else family
    kinds = [
        ("comparable", [model for model in COMPARABLE[family] if model in there], (3, 5, 7)),
        ("cheap", [model for model in CHEAP.get(family, ()) if model in there], (3, 5)),
        ("any", there, (3, 5)),
    ]
    found = [Pool(name, size, draw(models, size, count)) for name, models, sizes in kinds for size in sizes]
    found += [Pool("unequal", len(panel), (panel,)) for panel in UNEQUAL.get(family, ())]
    return [pool for pool in found if pool.panels]


def folds(recording: Recording) -> dict[str, int]:
    """Group -> fold."""
    groups = sorted({item.group for item in recording.items})
    random.Random(SEED).shuffle(groups)  # noqa: S311 - reproducible, not secret
    return {group: place % FOLDS for place, group in enumerate(groups)}


def trust(recording: Recording, fold_of: Mapping[str, int]) -> list[dict[str, float]]:
    """For each fold, the accuracy of every model on the other folds, by the set's headline."""
    right: dict[str, list[float]] = {}
    total: dict[str, list[float]] = {}
    for item in recording.items:
        fold = fold_of[item.group]
        for model in item.asked:
            score = item.score(item.said.get(model))
            good, of = score.fields if recording.headline == "field" else (int(score.whole), 1)
            right.setdefault(model, [0.0] * FOLDS)[fold] += good
            total.setdefault(model, [0.0] * FOLDS)[fold] += of
    return [
        {
            model: (sum(good) - good[fold]) / max(1.0, sum(total[model]) - total[model][fold])
            for model, good in right.items()
        }
        for fold in range(FOLDS)
    ]
