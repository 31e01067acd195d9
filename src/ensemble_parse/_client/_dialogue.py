"""One call to one model: the rounds that instructor makes of it, and what comes of each.

Instructor prepares the request for a mode and carries the re-asks. What it calls in place of LiteLLM is
``Dialogue.send``, where a round really happens: time limit, transport retries, ledger, refusals, and the reading of
every sample.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Generic, cast

from pydantic_core import ValidationError

from ensemble_parse._budget import Spending
from ensemble_parse._client import _faults
from ensemble_parse._client._admission import Admission
from ensemble_parse._client._prices import CLAUDE, expected, so_far, worst_case
from ensemble_parse._client._protocol import ModelCall, Reply
from ensemble_parse._client._reading import cost_of, text_of, usage_of
from ensemble_parse._errors import ProcessorError, ProcessorTimeout, ProviderError
from ensemble_parse._models import TRANSPORT, Attempt, T
from ensemble_parse._retry import with_retries
from ensemble_parse._telemetry._spans import current_span

if TYPE_CHECKING:
    from ensemble_parse._client._libraries import Libraries
    from ensemble_parse._client._modes import Plan
    from ensemble_parse._format import Parsed, ResponseFormat
    from ensemble_parse._models import Mode

_GAP: Final = 5.0  # LiteLLM's own limit is for gaps between bytes; ours, on the whole attempt, comes first

_running: ContextVar[Dialogue[Any]] = ContextVar("ensemble_parse_dialogue")


class Dialogue(Generic[T]):
    """One call: the rounds that instructor makes of it, and what came of each."""

    def __init__(self, call: ModelCall[T], plan_: Plan, libraries: Libraries) -> None:
        self._call = call
        self._plan = plan_
        self._libraries = libraries
        self._dropped = plan_.fit.dropped
        self._rounds = 0
        self._failed = 0
        self._answers: list[Parsed[T]] = []
        self._errors: list[ProcessorError] = []
        self._problem = ""

    async def run(self) -> Reply[T]:
        """Let instructor lead the dialogue; raise what ended it, or return the answers."""
        call = self._call
        create = _instructor(self._plan.fit.mode).create
        token = _running.set(self)
        error: BaseException | None = None
        try:
            await create(
                response_model=_envelope(call.format, self._libraries.schema),
                # Instructor reads the content of every message; an assistant's that called a tool may have none.
                messages=[{"content": "", **_copy(message)} for message in call.messages],
                max_retries=call.policy.reasks,
                strict=False,
                model=call.model,
            )
        except self._libraries.stop as stop:
            error = stop.error  # type: ignore[attr-defined]
        except self._libraries.wrapped as wrapped:
            error = wrapped.__cause__  # a bug, of ours or in a policy of the caller's
        finally:
            _running.reset(token)
        if error is not None:
            raise error  # outside the handler, since what instructor raises hangs on to the request
        return Reply(answers=self._answers, errors=self._errors)

    async def send(self, prepared: dict[str, Any]) -> Any:
        """Make one round: send what instructor prepared until it is answered, and read every sample of the answer."""
        call = self._call
        self._rounds += 1
        if self._errors:
            call.retried(self._errors[0])
        completion: Any = None
        try:
            completion = await self._answered(prepared)
            asking_helps = self._read(completion)
        except ProcessorError as error:
            self._errors, asking_helps = [error], False
        except Exception as bug:  # noqa: BLE001 - such as a validator's KeyError: raised by run(), as it is
            # Instructor would wrap it in an error that holds the prompt, and log what it says.
            raise self._libraries.stop(bug) from None
        if self._answers:
            return self._libraries.accepted()
        if asking_helps and self._rounds <= call.policy.reasks:
            return completion
        # Instructor lets this class pass as it is, without wrapping it and without logging what the model wrote.
        raise self._libraries.stop(self._errors[0])

    def read(self) -> object:
        """Stand in for instructor's own validation, which sees the first sample only."""
        if self._answers:
            return SimpleNamespace()
        raise self._libraries.invalid(self._problem)

    async def _answered(self, prepared: dict[str, Any]) -> Any:
        call = self._call
        while True:
            request = self._request(prepared)
            try:
                return await with_retries(
                    call.policy,
                    partial(self._attempt, request),
                    spent=self._failed,
                    deadline=call.deadline,
                    retried=call.retried,
                )
            except ProviderError as error:
                rejected = _faults.rejected_parameters(error, self._params().keys() - TRANSPORT)
                if not rejected or call.strict:
                    raise
                # A parameter that this one vendor does not take must not lose its answer.
                self._dropped += rejected

    async def _attempt(self, request: dict[str, Any]) -> Any:
        call, litellm = self._call, self._libraries.litellm
        started = time.perf_counter()
        admission = Admission(
            call,
            worst=lambda: worst_case(litellm, call, request),
            expected=lambda: expected(call, request),
            cut_off=lambda: so_far(litellm, call, request, started),
        )
        async with admission:
            started = time.perf_counter()
            completion: Any = None
            error: ProcessorError | None = None
            sent = True
            try:
                async with asyncio.timeout(call.policy.timeout):
                    # Looked up at every call: tracers replace it on the module.
                    completion = await litellm.acompletion(**request)
            except TimeoutError:
                error = _faults.timed_out(call)
            except asyncio.CancelledError:
                self._record(started, error="Cancelled")
                raise
            except Exception as raised:  # noqa: BLE001 - whatever LiteLLM raises is this processor's failure
                # With the turns of earlier rounds: a vendor may quote what the model answered.
                error = _faults.from_litellm(raised, replace(call, messages=request["messages"]))
                sent = _faults.was_sent(raised)
            if error is None:
                attempt = self._record(started, completion=completion)
                admission.answered(Spending(usd=attempt.cost, tokens=attempt.usage.total_tokens, calls=1))
                return completion
            if not sent:
                admission.unsent()
            elif not isinstance(error, ProcessorTimeout):
                admission.refused(error)
        if sent:
            self._failed += 1
            status = error.status_code if isinstance(error, ProviderError) else None
            self._record(started, error=error.kind, status=status)
        raise error

    def _read(self, completion: Any) -> bool:
        """Read every sample into an answer or an error; say whether asking again can help."""
        call = self._call
        self._errors = [] if completion.choices else [_faults.empty(call)]
        invalid = None
        for choice in completion.choices[: call.n]:  # no vendor gets more votes than were asked for
            message = choice.message
            text = text_of(message, self._plan.fit.mode)
            elsewhere: dict[str, Any] = message.get("provider_specific_fields") or {}
            refusal: str | None = message.get("refusal") or elsewhere.get("refusal")
            if refusal or choice.finish_reason == "content_filter":
                filtered = choice.finish_reason == "content_filter"
                self._errors.append(_faults.refused(call, refusal, content_filter=filtered))
            elif choice.finish_reason == "length":
                self._errors.append(_faults.truncated(call, text))
            elif message.tool_calls and not text:
                self._errors.append(_faults.called_tool(call))
            else:
                try:
                    self._answers.append(call.format.parse(text))
                except ValueError as error:
                    self._problem = _problem(error)
                    self._errors.append(_faults.invalid(call, error))
                    invalid = choice
        if invalid is not None:
            completion.choices = [invalid]  # the one that instructor tells the model about
        return invalid is not None

    def _request(self, prepared: dict[str, Any]) -> dict[str, Any]:
        call, fit = self._call, self._plan.fit
        request = prepared | self._params()
        turns = prepared["messages"]
        if fit.mode in {"json_schema", "tools"}:
            # Instructor has only added turns to these; the caller's own go out as they are.
            turns = [*call.messages, *turns[len(call.messages) :]]
            # A fresh copy for every request: LiteLLM rewrites schemas in place for some vendors.
            schema = json.loads(self._plan.schema)
            strict = {"strict": True} if fit.strict else {}
            if fit.mode == "json_schema":
                form = {"name": call.format.name, "schema": schema, **strict}
                request["response_format"] = {"type": "json_schema", "json_schema": form}
            else:
                function = prepared["tools"][0]["function"] | {"parameters": schema} | strict
                request["tools"] = [{"type": "function", "function": function}]
        # A copy: LiteLLM rewrites messages in place for some vendors, and these are the caller's, and all processors'.
        request["messages"] = _copy(turns)
        if call.n > 1:
            request["n"] = call.n
        if span := current_span():
            # LiteLLM's OpenTelemetry callback makes a span below one that it is given; else it writes on this one.
            request["metadata"] = {"litellm_parent_otel_span": span, **(request.get("metadata") or {})}
        # The one switch that turns off both LiteLLM's retries and those hidden in the SDKs below it.
        return request | {"num_retries": 0, "timeout": call.policy.timeout + _GAP, "caching": False}

    def _params(self) -> dict[str, Any]:
        call = self._call
        params = {name: value for name, value in call.params.items() if name not in self._dropped}
        unknown_claude = (
            call.model.startswith("anthropic/") and call.model[10:] not in self._libraries.litellm.model_cost
        )
        limits = {"max_tokens", "max_completion_tokens"}
        if unknown_claude and not limits & {*params, *self._dropped}:
            params["max_tokens"] = CLAUDE
        return params

    def _record(
        self, started: float, *, completion: Any = None, error: str | None = None, status: int | None = None
    ) -> Attempt:
        call = self._call
        attempt = Attempt(
            processor=call.processor,
            model=call.model,
            seconds=time.perf_counter() - started,
            usage=usage_of(completion),
            cost=cost_of(call, completion) if completion is not None else (None if status is None else 0.0),
            error=error,
            status_code=status,
            answered_by=getattr(completion, "model", None),
            dropped=self._dropped,
        )
        call.record(attempt)
        return attempt


def _problem(error: ValueError) -> str:
    """Tell the model what was wrong, without quoting its answer back at it."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "\n".join(
        f"{'.'.join(map(str, each['loc'])) or 'answer'}: {each['msg']}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _copy(value: Any) -> Any:
    """Copy what JSON has as plain dicts and lists, however deep."""
    if isinstance(value, Mapping):
        return {key: _copy(each) for key, each in cast("Mapping[str, Any]", value).items()}
    return [*map(_copy, cast("list[Any]", value))] if isinstance(value, list | tuple) else value


def _envelope(format_: ResponseFormat[Any], base: type[Any]) -> type[Any]:
    """The class that instructor sees instead of the caller's, made once per type.

    Instructor would derive a new class, and its schema, from the caller's at every call; and what it returned would be
    an instance of that class, which equals nothing and cannot be pickled.
    """
    if "envelope" not in format_.cache:
        # A copy, since instructor completes it in place; titled, since it makes the title a tool's name.
        schema = {**json.loads(json.dumps(format_.schema)), "title": format_.name}

        def model_json_schema(cls: type[Any], *_: Any, **__: Any) -> dict[str, Any]:
            del cls
            return schema

        def model_validate_json(cls: type[Any], *_: Any, **__: Any) -> object:
            del cls
            return _running.get().read()

        format_.cache["envelope"] = type(
            format_.name,
            (base,),
            {
                "__doc__": None,
                "__module__": __name__,
                "model_json_schema": classmethod(model_json_schema),
                "model_validate_json": classmethod(model_validate_json),
            },
        )
    made: type[Any] = format_.cache["envelope"]
    return made


async def _send(**prepared: Any) -> Any:
    return await _running.get().send(prepared)


@functools.cache
def _instructor(mode: Mode) -> Any:
    import instructor

    return instructor.from_litellm(_send, mode=instructor.Mode[mode.upper()])
