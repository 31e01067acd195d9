"""Ensembles as models of LiteLLM: ``model="ensemble/<name>"`` wherever LiteLLM takes a model.

In this process:

    >>> import litellm
    >>> from ensemble_parse import Ensemble
    >>> from ensemble_parse.integrations.litellm import register
    >>> register(capitals=Ensemble(["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"]))
    >>> messages = [{"role": "user", "content": "What is the capital of France?"}]
    >>> completion = litellm.completion(model="ensemble/capitals", messages=messages)
    >>> completion.ensemble["status"]
    'complete'

For LiteLLM's proxy, and so for every language that has an OpenAI client, ``proxy`` is the handler to name in its
configuration; it serves what the environment variable ``ENSEMBLE_PARSE_ENSEMBLES`` names.
"""

from __future__ import annotations

import contextvars
import copy
import importlib
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, unquote

from ensemble_parse._client._libraries import load
from ensemble_parse._ensemble import Ensemble
from ensemble_parse._errors import AllProcessorsFailed, ConfigurationError, EnsembleError
from ensemble_parse._sync import run_sync
from ensemble_parse.config import names
from ensemble_parse.integrations._asked import asked
from ensemble_parse.integrations._told import PROVIDER, NoSuchEnsemble, chunk, error, fill, fill_cut_off
from ensemble_parse.openai import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from ensemble_parse._processor import Processor

__all__ = ["ENSEMBLES", "EnsembleProvider", "register"]  # and `proxy`, which is made when it is asked for

ENSEMBLES: Final = "ENSEMBLE_PARSE_ENSEMBLES"
"""The environment variable that says what ``proxy`` serves: a configuration file, all of whose ensembles it serves; or
``package.module:name``, which is a mapping of names to ensembles, one ensemble, or an ``EnsembleProvider``."""

_TRAIL: Final = "x-ensemble-parse-trail"
_asking: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("asking", default=())


def register(
    ensembles: Mapping[str, Ensemble] | None = None,
    /,
    *,
    response_formats: Sequence[type] = (),
    **named: Ensemble,
) -> None:
    """Make ensembles models of LiteLLM in this process: ``ensemble/<name>``.

    Args:
        ensembles: by name; a name that is there already gets the new ensemble.
        response_formats: types to decide with where a request sends the schema of one of them, under its name: a
            schema does not carry their validators and rules.
        named: the same as ``ensembles``, as keywords.

    Raises:
        ConfigurationError: an ensemble would ask itself.
    """
    litellm = load().litellm
    handlers = (each["custom_handler"] for each in litellm.custom_provider_map if each["provider"] == PROVIDER)
    provider = next((each for each in handlers if isinstance(each, EnsembleProvider)), None)
    if provider is None:
        provider = EnsembleProvider()
        litellm.custom_provider_map.append({"provider": PROVIDER, "custom_handler": provider})
    provider.add({**(ensembles or {}), **named}, response_formats=response_formats)


class EnsembleProvider:
    """The handler that LiteLLM calls for models of the provider ``ensemble``.

    Attributes:
        ensembles: by name.
    """

    def __init__(
        self, ensembles: Mapping[str, Ensemble] | None = None, *, response_formats: Sequence[type] = ()
    ) -> None:
        """Take ensembles by name; the arguments are those of ``register``.

        Raises:
            ConfigurationError: an ensemble would ask itself.
        """
        self.ensembles: dict[str, Ensemble] = {}
        self._known: dict[str, type] = {}
        # LiteLLM repeats a failed call ``num_retries`` times; by the object that stands for the call it is known again.
        self._failed: weakref.WeakKeyDictionary[Any, Exception] = weakref.WeakKeyDictionary()
        self.add(ensembles or {}, response_formats=response_formats)

    def add(self, ensembles: Mapping[str, Ensemble], *, response_formats: Sequence[type] = ()) -> None:
        """Take more of them.

        Raises:
            ConfigurationError: an ensemble would ask itself.
        """
        for name, each in ensembles.items():
            if not isinstance(each, Ensemble):
                message = f"{name!r} is a {type(each).__name__}: give an Ensemble"
                raise ConfigurationError(message)
        more = {**self.ensembles, **ensembles}
        for name in more:
            _check_circle(name, more)
        self.ensembles = more
        self._known |= {each.__name__: each for each in response_formats}
        _announce(ensembles)

    async def acompletion(self, model: str, messages: list[Any], model_response: Any, **given: Any) -> Any:
        """Ask the ensemble and fill LiteLLM's response; the signature is LiteLLM's."""
        call = given["logging_obj"]
        if earlier := self._failed.get(call):
            raise earlier
        try:
            await self._answer(model, messages, model_response, given)
        except EnsembleError as failure:
            self._failed[call] = told = error(failure, model)
            raise told from failure
        return model_response

    def completion(self, *args: Any, **given: Any) -> Any:
        """Do the same for ``litellm.completion``."""
        return run_sync(self.acompletion(*args, **given))

    async def astreaming(self, *args: Any, **given: Any) -> AsyncIterator[dict[str, Any]]:
        """Give the whole answer as one chunk: it is decided upon when all of it is there."""
        yield chunk(await self.acompletion(*args, **given))

    def streaming(self, *args: Any, **given: Any) -> Iterator[dict[str, Any]]:
        """Do the same for ``litellm.completion``."""
        yield chunk(self.completion(*args, **given))

    async def _answer(self, model: str, messages: list[Any], response: Any, given: Mapping[str, Any]) -> None:
        if model not in self.ensembles:
            known = ", ".join(sorted(self.ensembles)) or "none"
            message = f"there is no ensemble {model!r}; there is: {known}"
            raise NoSuchEnsemble(message)
        trail = (*_asking.get(), *_trail(given.get("litellm_params") or {}))
        if model in trail:
            message = f"the ensemble would ask itself: {' -> '.join([*trail, model])}"
            raise ConfigurationError(message)
        wanted = asked(given["optional_params"], self._known)
        ensemble = _marked(self.ensembles[model], (*trail, model))
        patience = _shortest(ensemble.deadline, given.get("timeout"))
        token = _asking.set((*trail, model))
        try:
            result = await ask(
                ensemble, messages=messages, response_format=wanted.type, timeout=patience, **wanted.params
            )
        except AllProcessorsFailed as failed:
            if not fill_cut_off(response, failed):
                raise
        else:
            fill(response, result, wanted)
        finally:
            _asking.reset(token)
        response.model = f"{PROVIDER}/{model}"


def __getattr__(name: str) -> Any:
    # Made when LiteLLM's proxy reads its configuration, so that what is wrong keeps it from starting.
    if name != "proxy":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return _from_environment()


def _from_environment() -> EnsembleProvider:
    where = os.environ.get(ENSEMBLES, "")
    if Path(where).suffix in {".toml", ".yaml", ".yml"}:
        return EnsembleProvider({name: Ensemble.from_config(where, name) for name in names(where)})
    module, _, attribute = where.partition(":")
    if not module or not attribute:
        message = f"{ENSEMBLES}={where!r}: name a configuration file, or ensembles as 'package.module:name'"
        raise ConfigurationError(message)
    try:
        found: object = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as missing:
        message = f"{ENSEMBLES}={where!r}: {missing}"
        raise ConfigurationError(message) from missing
    kind = type(found).__name__
    if isinstance(found, EnsembleProvider):
        return found
    if isinstance(found, Ensemble):
        found = {found.name: found}
    if not isinstance(found, Mapping) or not found:
        message = f"{ENSEMBLES}={where!r}: it is a {kind}; name a mapping of ensembles"
        raise ConfigurationError(message)
    return EnsembleProvider(cast("Mapping[str, Ensemble]", found))


def _announce(ensembles: Mapping[str, Ensemble]) -> None:
    """Tell LiteLLM what they can do: frameworks ask it before they send a schema."""
    about = {
        "litellm_provider": PROVIDER,
        "mode": "chat",
        "supports_response_schema": True,
        "supports_function_calling": True,
        "supports_tool_choice": True,
    }
    load().litellm.register_model({f"{PROVIDER}/{name}": about for name in ensembles})


def _asks(ensemble: Ensemble) -> list[Processor]:
    return [*ensemble.processors, *getattr(ensemble.decision_maker, "processors", ())]


def _check_circle(name: str, ensembles: Mapping[str, Ensemble], trail: tuple[str, ...] = ()) -> None:
    if name in trail:
        message = f"an ensemble would ask itself: {' -> '.join([*trail, name])}"
        raise ConfigurationError(message)
    for each in _asks(ensembles[name]):
        provider, _, inner = (each.model or "").partition("/")
        if provider == PROVIDER and inner in ensembles:
            _check_circle(inner, ensembles, (*trail, name))


def _trail(params: Mapping[str, Any]) -> list[str]:
    """Who has asked already, where the request came over the wire."""
    request: Mapping[str, Any] = params.get("proxy_server_request") or {}
    headers: Mapping[str, str] = request.get("headers") or {}
    return [unquote(name) for name in headers.get(_TRAIL, "").split(",") if name]


def _marked(ensemble: Ensemble, trail: Sequence[str]) -> Ensemble:
    """Let requests to what may be a proxy, and so this very ensemble, say who has asked already."""
    if not any(_may_lead_back(each, ensemble) for each in _asks(ensemble)):
        return ensemble
    header = {_TRAIL: ",".join(map(quote, trail))}
    ensemble = copy.copy(ensemble)
    ensemble.params = {**ensemble.params, "extra_headers": {**(ensemble.params.get("extra_headers") or {}), **header}}
    ensemble.processors = tuple(_with_header(each, header) for each in ensemble.processors)
    return ensemble


def _may_lead_back(processor: Processor, ensemble: Ensemble) -> bool:
    own = {"api_base", "base_url"} & {*processor.params, *ensemble.params}
    return bool(own) or (processor.model or "").startswith("litellm_proxy/")


def _with_header(processor: Processor, header: Mapping[str, str]) -> Processor:
    if "extra_headers" not in processor.params:
        return processor
    processor = copy.copy(processor)
    params = {**processor.params, "extra_headers": {**processor.params["extra_headers"], **header}}
    object.__setattr__(processor, "params", params)
    return processor


def _shortest(deadline: float | None, timeout: Any) -> float | None:
    """The ensemble's deadline or the caller's patience, whichever ends first."""
    seconds = getattr(timeout, "read", timeout)
    return min((each for each in (deadline, seconds) if each is not None), default=None)
