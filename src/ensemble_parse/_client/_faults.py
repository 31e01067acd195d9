"""What LiteLLM raises, as this library's errors, with nothing in them that must not be seen."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import ValidationError

from ensemble_parse._errors import InvalidOutput, ProcessorTimeout, ProviderError, Refused, Truncated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ensemble_parse._client._protocol import ModelCall
    from ensemble_parse._errors import ProcessorError

_RETRYABLE: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_MOST_DETAIL: Final = 300
_MOST_PLACES: Final = 5
_MOST_READ: Final = 1000
# LiteLLM quotes the request, or a response that it cannot read.
_ECHOED: Final = re.compile(r"Received(?: Messages)?\s?[:=].*", re.DOTALL)
_ECHO: Final = 20  # characters in a row of a prompt that count as quoting it
_KEY: Final = re.compile(r"\b(?:sk|pk|rk|gsk|xai|AIza|Bearer\s+\S)[\w\-*.]{6,}")
# The last one is what older OpenAI clients say, the floor's among them.
_NO_KEY: Final = re.compile(
    r"missing [\w ]*(?:api.?key|credentials)|no key is set|api_key client option must be set", re.IGNORECASE
)
_KEY_NAME: Final = re.compile(r"\b[A-Z]+(?:_[A-Z]+)*_KEY\b")
_BAD_REQUEST: Final = 400
_SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_ADVICE: Final = {
    401: "check the API key of this vendor",
    403: "the key has no access to this model",
    404: "check the model's name and api_base",
    429: "the vendor limits the rate: give its processors one RateLimit, or raise attempts",
}


def from_litellm(error: Exception, call: ModelCall[Any]) -> ProcessorError:
    """Turn what LiteLLM raised into an error of ours.

    The original is not kept: it carries the request, and the request carries the key and the prompt.
    """
    kind = type(error).__name__
    detail = scrub(_message(error), call)
    status = getattr(error, "status_code", None)
    if kind == "ContentPolicyViolationError":
        return Refused(
            f"{_who(call)}: the vendor's content filter stopped the request. Vendor: {detail}",
            processor=call.processor,
            content_filter=True,
        )
    if _NO_KEY.search(detail):
        names = " or ".join(dict.fromkeys(_KEY_NAME.findall(detail))) or "the vendor's key"
        message = (
            f"{_who(call)}: no API key: set {names} in the environment, or give it: Processor(..., api_key=...), or "
            'api_key = "${NAME}" in a configuration file'
        )
        return ProviderError(message, processor=call.processor, status_code=401)
    if kind == "ContextWindowExceededError":
        message = f"{_who(call)}: the messages do not fit into the context window"
        return ProviderError(message, processor=call.processor, status_code=400)
    if not was_sent(error):
        message = f"{_who(call)}: LiteLLM could not make the request ({kind}): {detail}"
        return ProviderError(message, processor=call.processor, status_code=400 if status == _BAD_REQUEST else None)
    unreached = _unreached(error)
    what = "could not be reached" if unreached else f"HTTP {status} ({kind})"
    advice = f"; {_ADVICE[status]}" if status in _ADVICE else ""
    pause = _retry_after(error)
    if pause is not None and pause > call.policy.longest_wait:
        most = f"{call.policy.longest_wait:g}"
        advice = f"; the vendor asks to wait {pause:.0f} s, which is more than RetryPolicy(longest_wait={most})"
    return ProviderError(
        f"{_who(call)}: {what}{advice}. Vendor: {detail}",
        processor=call.processor,
        status_code=status if isinstance(status, int) and not unreached else None,
        retry_after=pause,
        retryable=status in _RETRYABLE,
    )


def was_sent(error: Exception) -> bool:
    """Whether a request went out: LiteLLM dresses missing keys, missing packages and its own bugs as a status 500."""
    words = str(error)
    local = "Traceback (most recent call last)" in words and "Expecting value" not in words  # garbage of the vendor's
    local |= "surrogates not allowed" in words  # a text with half a character in it
    return not (local or type(error).__name__ == "UnsupportedParamsError" or _NO_KEY.search(words))


def timed_out(call: ModelCall[Any]) -> ProcessorTimeout:
    """The attempt used up its time."""
    return ProcessorTimeout(
        f"{_who(call)}: no whole answer within {call.policy.timeout:g} s (RetryPolicy(timeout=...) sets the limit)",
        processor=call.processor,
    )


def refused(call: ModelCall[Any], refusal: str | None, *, content_filter: bool) -> Refused:
    """The model, or a filter behind it, would not answer."""
    who = "the vendor's content filter stopped" if content_filter else "the model refused"
    return Refused(
        f"{_who(call)}: {who} the answer; its words are in .refusal",
        processor=call.processor,
        refusal=refusal,
        content_filter=content_filter,
    )


def truncated(call: ModelCall[Any], text: str) -> Truncated:
    """The answer was cut off."""
    return Truncated(
        f"{_who(call)}: the answer was cut off at the length limit; raise max_tokens",
        processor=call.processor,
        text=text,
    )


def invalid(call: ModelCall[Any], error: ValueError) -> InvalidOutput:
    """The model answered something else than was asked for; the message says where, not what."""
    names = _names(call.format.schema)
    places = (
        [
            # A key that is no field's name is the model's own word.
            f"{'.'.join(str(at) if isinstance(at, int) or at in names else '*' for at in each['loc']) or 'answer'} "
            f"({each['type']})"
            for each in error.errors(include_input=False)
        ]
        if isinstance(error, ValidationError)
        else [str(error)]
    )
    more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
    return InvalidOutput(
        f"{_who(call)}: the answer did not validate: {', '.join(places[:_MOST_PLACES])}{more}; "
        ".validation_error has the details",
        processor=call.processor,
        validation_error=error if isinstance(error, ValidationError) else None,
    )


def _names(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {name for each in cast("list[Any]", schema) for name in _names(each)}
    if not isinstance(schema, dict):
        return set()
    known = cast("dict[str, Any]", schema)
    parts: list[Any] = [known.get("properties"), known.get("$defs")]
    own: set[str] = {name for part in parts if isinstance(part, dict) for name in cast("dict[str, Any]", part)}
    return own.union(*map(_names, known.values()))


def called_tool(call: ModelCall[Any]) -> InvalidOutput:
    """The model wants one of the caller's tools run, which is no answer."""
    message = f"{_who(call)}: the model called a tool instead of answering; leave tools= out, or set tool_choice='none'"
    return InvalidOutput(message, processor=call.processor)


def empty(call: ModelCall[Any]) -> InvalidOutput:
    """The vendor's response holds no answer at all."""
    return InvalidOutput(f"{_who(call)}: the response holds no choice", processor=call.processor)


def _who(call: ModelCall[Any]) -> str:
    return call.processor if call.model in call.processor else f"{call.processor} ({call.model})"


def rejected_parameters(error: ProcessorError, params: Iterable[str]) -> tuple[str, ...]:
    """Name the parameters that a vendor's 400 complains about, so that they can be left out and the call made."""
    if not isinstance(error, ProviderError) or error.status_code not in {400, 422}:
        return ()
    words = str(error).partition(": ")[2].lower()
    if not re.search(
        r"unsupported|not support|n't support|unexpected|unknown|unrecognized|not permitted|deprecated", words
    ):
        return ()
    return tuple(name for name in sorted(params) if re.search(rf"\b{re.escape(name.lower())}\b", words))


def scrub(text: str, call: ModelCall[Any]) -> str:
    """Shorten a vendor's message and take out keys, and whatever it quotes of the prompt."""
    # Most of a page or of an echoed prompt would be cut off anyway; looking for quotations in it takes long.
    text = text[:_MOST_READ].rpartition(" ")[0] if len(text) > _MOST_READ else text
    text = _ECHOED.sub("", text)
    for secret in _secrets(call.params):
        text = text.replace(secret, "***")
    text = _KEY.sub("***", text)
    for said in _said(call.messages):
        text = _unquote(text, said)
    text = " ".join(text.split())
    return text if len(text) <= _MOST_DETAIL else text[: _MOST_DETAIL - 1] + "…"


def _message(error: Exception) -> str:
    words = str(getattr(error, "message", None) or error).partition("Traceback (most recent call last)")[0]
    words = re.sub(r"\s*Handle with `litellm\.\w+`\.?", "", words)
    # LiteLLM prefixes its own class names, once for each layer.
    return re.sub(r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)\s*[:-]\s*)+(?:litellm\.\w+:\s*)*", "", words)


def _unreached(error: BaseException | None) -> bool:
    """Whether the connection failed; LiteLLM makes a 500 of that, as if the vendor had answered."""
    import httpx

    while error is not None:
        if isinstance(error, httpx.TransportError):
            return not isinstance(error, httpx.TimeoutException)
        error = error.__cause__ or error.__context__
    return False


def _retry_after(error: Exception) -> float | None:
    headers = getattr(error, "litellm_response_headers", None)
    if headers is None:
        headers = getattr(getattr(error, "response", None), "headers", None)
    value = headers.get("retry-after") if headers is not None else None
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        return _seconds_until(value)


def _seconds_until(date: str) -> float | None:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _secrets(params: Mapping[str, Any]) -> Iterable[str]:
    named = [*params.items(), *os.environ.items()]
    found = {value for name, value in named if isinstance(value, str) and _SECRET_NAME.search(name)}
    for name in ("extra_headers", "default_headers", "headers"):
        # Authorization has its scheme in front: what follows it is the secret.
        found |= {word for value in _strings(params.get(name)) for word in value.split()}
    return sorted((value for value in found if len(value) >= 8), key=len, reverse=True)  # noqa: PLR2004


def _said(messages: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Everything that the messages say, as itself and as it looks in JSON, in lower case."""
    for text in _strings([each for message in messages for name, each in message.items() if name != "role"]):
        said = (text[: _ECHO * 10] if text.startswith("data:") else text).lower()
        if len(said) >= _ECHO:
            yield from {
                said,
                " ".join(said.split()),
                json.dumps(said)[1:-1],
                json.dumps(said, ensure_ascii=False)[1:-1],
            }


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in cast("Mapping[str, object]", value).values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in cast("list[object]", value):
            yield from _strings(each)


def _unquote(text: str, said: str) -> str:
    """Take every run of ``_ECHO`` or more characters of ``said`` out of a short text."""
    out: list[str] = []
    at = 0
    lower = text.lower()
    if len(lower) != len(text):  # a few letters of few scripts
        lower = text
    while at < len(text):
        end = at + _ECHO
        if end <= len(text) and lower[at:end] in said:
            while end < len(text) and lower[at : end + 1] in said:
                end += 1
            out.append("[…]")
            at = end
        else:
            out.append(text[at])
            at += 1
    return "".join(out)
