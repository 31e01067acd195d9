"""The engine of k-llms, called directly, without a network: it compares long texts by letters, not by embeddings."""

from __future__ import annotations

import importlib
import typing
from typing import TYPE_CHECKING, Any

import typing_extensions

from benchmarks.replay.methods import Outcome
from benchmarks.replay.nouns import Said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.replay.methods import Method
    from benchmarks.replay.shapes import Shape


def _no_embeddings(_: list[str]) -> list[list[float]]:
    message = "there is no network here"
    raise RuntimeError(message)


def k_llms() -> Method | None:
    """Load k-llms 0.0.55 with retab 0.0.45; ``None`` where it is not installed."""
    original = typing.TypedDict
    # retab uses typing's own TypedDict, which Pydantic refuses before Python 3.12.
    typing.TypedDict = typing_extensions.TypedDict
    try:
        engine: Any = importlib.import_module("k_llms.utils.consensus_utils")
    except ImportError:
        return None
    finally:
        typing.TypedDict = original
    settings = engine.ConsensusSettings(string_similarity_method="levenshtein")

    def decide(shape: Shape, said: Sequence[Said], _: Sequence[float]) -> Outcome:
        if len(said) == 1:
            return Outcome(said[0])
        merged, _ = engine.consensus_values([each.data for each in said], settings, _no_embeddings)
        return Outcome(Said.read(merged, shape))

    return decide
