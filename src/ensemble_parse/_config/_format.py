"""What a configuration holds, table by table; a new setting is a line here."""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, cast

from pydantic import AfterValidator
from pydantic_core import PydanticSerializationError, to_jsonable_python

from ensemble_parse import _rules as rules
from ensemble_parse._budget import Budget, UnknownPrice
from ensemble_parse._client._litellm import LiteLLMClient
from ensemble_parse._config._tables import Choice, Table, unwritable
from ensemble_parse._config._values import has_reference
from ensemble_parse._decision import First, Medoid, Stop, Unanimous, Vote
from ensemble_parse._ensemble import Ensemble
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._judge import Judge, JudgeMode
from ensemble_parse._limits import RateLimit
from ensemble_parse._models import Mode, Pace
from ensemble_parse._processor import Processor
from ensemble_parse._retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence


def _named(text: str | None) -> str | None:
    if text and has_reference(text):
        message = "${...} is for model parameters alone; see the overrides to set this from the environment"
        raise ConfigurationError(message)
    return text


def _processors(told: dict[str, Any]) -> dict[str, Any]:
    """A number is so many samples of the model that the call names, as for ``Ensemble``."""
    count = told.get("processors")
    return told | {"processors": [{"n": count}]} if isinstance(count, int) else dict(told)


def _fallback(told: dict[str, Any]) -> dict[str, Any]:
    """A fallback that is but a model judges as its judge does, as for ``Judge``."""
    if "fallback" not in told:
        return dict(told)
    given = told["fallback"]
    several: list[Any] = cast("list[Any]", given) if isinstance(given, list) else [given]
    how = {name: told[name] for name in ("mode", "prompt") if name in told}
    return told | {"fallback": [{"model": each, **how} if isinstance(each, str) else each for each in several]}


def _maker(text: str) -> dict[str, Any]:
    """A text that is no name of a decision maker is the model of an arbiter, as for ``Ensemble``."""
    close = difflib.get_close_matches(text, MAKER.kinds, n=1, cutoff=0.75)
    if close:
        message = f"there is no decision maker {text!r}; did you mean {close[0]!r}?"
        raise ConfigurationError(message)
    return {"vote": {"arbiter": text}}


def _flat(fallback: Sequence[Judge]) -> list[Judge]:
    """Put the fallbacks of fallbacks where they are asked: behind their own."""
    return [one for judge in fallback for one in (judge, *_flat(judge.fallback))]


def _key(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"key": [told["key"]]} if isinstance(told.get("key"), str) else dict(told)


def _examples(examples: Any) -> Any:
    """Dump the objects among examples; data is read back as the response type at the call, as ever."""
    try:
        return to_jsonable_python(examples)
    except PydanticSerializationError:
        raise unwritable(examples, "examples") from None


def _judge(model: Processor, **settings: Any) -> Judge:
    """A judge takes model parameters beside a model that is but a text."""
    bare = model.model if model == Processor(model.model) else None
    return Judge(bare or model, **settings)


def _together(fields: list[str]) -> rules.Together:
    return rules.Together(*fields)


# What need not be written, because it is as it is without being said.


def _processor_name(processor: Processor) -> dict[str, Any]:
    return {"name": processor.model or "processor"}


def _judge_name(processor: Processor) -> dict[str, Any]:
    return {"name": f"judge {processor.model}"}


def _flattened(judge: Judge) -> dict[str, Any]:
    return {"fallback": judge.fallback}


def _of_itself(ensemble: Ensemble) -> dict[str, Any]:
    client = ensemble.client
    return {
        "name": ensemble.name,
        "client": client if type(client) is LiteLLMClient else None,
        "pace": getattr(ensemble.decision_maker, "pace", "parallel"),
    }


_NAME: TypeAlias = Annotated[str | None, AfterValidator(_named)]

RETRY: Final = Table(
    makes=RetryPolicy,
    settings={"attempts": int, "timeout": float, "reasks": int, "longest_wait": float},
    python_only={"wait": "a tenacity wait strategy is an object; set it in Python"},
)

RATE_LIMIT: Final = Table(makes=RateLimit, settings={"requests": int | None, "tokens": int | None, "per": float})

BUDGET: Final = Table(
    makes=Budget,
    settings={"usd": float | None, "tokens": int | None, "calls": int | None, "unknown_price": UnknownPrice},
)

PROCESSOR: Final = Table(
    makes=Processor,
    settings={
        "model": _NAME,
        "n": int,
        "weight": float,
        "retry": RETRY,
        "mode": Mode,
        "max_concurrency": int | None,
        "rate_limit": RATE_LIMIT,
        "rest": float,
        "name": _NAME,
    },
    params=True,
    short="model",
    implied=_processor_name,
)

_JUDGE: Final = Table(
    makes=Judge,
    settings={
        "model": replace(PROCESSOR, implied=_judge_name),
        "mode": JudgeMode,
        "prompt": str,
        "shuffle_seed": int | None,
    },
    params=True,
    short="model",
    build=_judge,
    python_only=dict.fromkeys(
        ("max_concurrency", "n", "name", "rate_limit", "rest", "retry", "weight"),
        "it is a setting of the judge's model: model = { model = ..., retry = ... }",
    ),
)

_FALLBACK: Final = replace(
    _JUDGE,
    implied=_flattened,
    python_only={**_JUDGE.python_only, "fallback": "name all fallbacks in the one list of the first judge"},
)

JUDGE: Final = replace(
    _JUDGE,
    settings={**_JUDGE.settings, "fallback": [_FALLBACK]},
    expand=_fallback,
    data={"fallback": _flat},
)

_rule = partial(Table, settings={})

RULES: Final = Choice(
    kinds={
        "exact": _rule(makes=rules.Exact),
        "text": _rule(makes=rules.Text, settings={"case": bool, "punctuation": bool, "similar": float | None}),
        "tolerance": _rule(makes=rules.Tolerance, settings={"rel": float, "abs": float}),
        "items": _rule(makes=rules.Items, settings={"key": list[str], "ordered": bool | None}, expand=_key),
        "median": _rule(makes=rules.Median),
        "mean": _rule(makes=rules.Mean),
        "any_of": _rule(makes=rules.AnyOf),
        "all_of": _rule(makes=rules.AllOf),
        "whole": _rule(makes=rules.Whole),
        "together": _rule(makes=rules.Together, settings={"fields": list[str]}, build=_together),
        "ask_judge": _rule(makes=rules.AskJudge),
        "must_agree": _rule(makes=rules.MustAgree),
        "ignore": _rule(makes=rules.Ignore),
    },
    several=True,
)

MAKER: Final = Choice(
    kinds={
        "vote": Table(
            makes=Vote,
            settings={"arbiter": JUDGE, "rules": {"*": RULES}, "stop": Stop},
            python_only={"learned": "what was learned is data of its own: Vote(learned=Learned.from_dict(...))"},
        ),
        "judge": JUDGE,
        "first": Table(makes=First, settings={}),
        "medoid": Table(makes=Medoid, settings={}),
        "unanimous": Table(makes=Unanimous, settings={}),
    },
    text=_maker,
)

ENSEMBLE: Final = Table(
    makes=Ensemble,
    settings={
        "processors": [PROCESSOR],
        "decision_maker": MAKER,
        "pace": Pace,
        "deadline": float | None,
        "min_candidates": int,
        "budget": BUDGET,
        "strict": bool,
        "examples": list[Annotated[list[Any], AfterValidator(tuple)]],
        "shuffle_examples": bool,
    },
    params=True,
    expand=_processors,
    implied=_of_itself,
    data={"examples": _examples},
    python_only={
        "client": "a client is an object; give it to from_config",
        "name": "the name of the table is the ensemble's",
    },
)
