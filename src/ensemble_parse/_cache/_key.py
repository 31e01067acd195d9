"""What makes two questions the same: the key under which an answer is kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ensemble_parse._client._protocol import ModelCall

_RECIPE: Final = 1  # counts up when the same question gets another key

# Who asks and who pays. None of it changes an answer, and most of it is secret or new for every call. `api_version` and
# `deployment_id` are not here: they name who answers, as the addresses do.
_NOT_ASKED: Final = frozenset(
    {
        *("organization", "user", "safety_identifier", "metadata", "litellm_metadata", "tags"),
        *("litellm_call_id", "litellm_trace_id", "litellm_session_id"),
        # The same of headers, where a trace has a new number for every request.
        *("traceparent", "tracestate", "baggage", "b3", "x_request_id", "x_client_request_id", "x_correlation_id"),
        *("x_trace_id", "x_amzn_trace_id", "x_cloud_trace_context", "user_agent", "openai_organization"),
        "openai_project",
    }
)
_SECRET: Final = re.compile(
    r"(.*_)?(api_?key|key|token|secret|password|credentials?|auth|authorization|cookie|signature)(_id|_provider)?"
)
_ADDRESSES: Final = ("api_base", "base_url")
_ACCOUNT: Final = frozenset({"organization", "openai_organization", "openai_project", *_ADDRESSES})
_HEADERS: Final = ("default_headers", "extra_headers", "headers")


def question(call: ModelCall[Any]) -> bytes | None:
    """Digest everything that an answer depends on, but the number of the sample.

    That is the model, the server, the messages, the response format, the mode, and the parameters without keys and
    whatever else only says who asks.

    Returns:
        A digest, or ``None`` where something is no JSON-like data: such a question cannot be recognised.
    """
    digest = hashlib.sha256()
    try:
        for part in _parts(call):
            digest.update(part.encode() + b"\n")  # no JSON text holds a line break
    except (AttributeError, TypeError, ValueError, RecursionError):
        return None
    return digest.digest()


def sample_key(asked: bytes, sample: int) -> bytes:
    """The key of one sample: another draw of the same model is another entry."""
    return hashlib.sha256(asked + str(sample).encode()).digest()


def credentials(call: ModelCall[Any]) -> tuple[tuple[str, str], ...]:
    """List the keys and accounts that a call uses: a vendor that turns one of them down may take another."""
    return tuple(_credentials(call.params))


def _credentials(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        if _is_secret(name, value) or _plain(name) in _ACCOUNT:
            yield name, repr(value)
        elif isinstance(value, Mapping):
            yield from _credentials(cast("Mapping[str, Any]", value))


def _parts(call: ModelCall[Any]) -> Iterator[str]:
    form = call.format
    yield _json([_RECIPE, call.model, call.mode, form.name, form.wrapper is not None, form.reasoning])
    yield _json(_environment(call))
    yield _json(call.messages, sort_keys=True)
    # Not sorted within: the order of properties is the order in which a model writes them.
    if "cache schema" not in form.cache:
        form.cache["cache schema"] = _json(form.schema)
    yield form.cache["cache schema"]
    yield _json([[name, value] for name, value in sorted(_parameters(call.params).items())])


def _parameters(params: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in _without_secrets(params).items():
        if name in _ADDRESSES and isinstance(value, str):
            out[name] = _address(value)
        elif name in _HEADERS and isinstance(value, Mapping):
            headers = cast("Mapping[str, Any]", value)
            out[name] = {each.lower(): headers[each] for each in sorted(headers) if _plain(each) not in _NOT_ASKED}
        elif name not in _NOT_ASKED:
            out[name] = value
    return out


def _without_secrets(value: Any) -> Any:
    """Leave out what is called like a secret, however deep; a schema's property of such a name is none."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {name: _without_secrets(each) for name, each in items if not _is_secret(name, each)}
    return [*map(_without_secrets, cast("list[Any]", value))] if isinstance(value, list | tuple) else value


def _is_secret(name: str, value: object) -> bool:
    told = isinstance(value, int | float | Mapping | list | tuple) or value is None
    return not told and _SECRET.fullmatch(_plain(name)) is not None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _environment(call: ModelCall[Any]) -> list[str]:
    """The addresses that the environment sets for a vendor: another server gives other answers."""
    if any(call.params.get(name) for name in _ADDRESSES):
        return []
    vendor = _plain(call.model.partition("/")[0] if "/" in call.model else "openai").upper()
    names = [f"{each}_{what}" for each in (vendor, vendor.partition("_")[0]) for what in ("API_BASE", "BASE_URL")]
    return [_address(os.environ.get(name, "")) for name in names]


def _address(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()  # without a user's name and password


def _json(value: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(value, sort_keys=sort_keys, allow_nan=False, default=_mapping)


def _mapping(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    raise TypeError(type(value))
