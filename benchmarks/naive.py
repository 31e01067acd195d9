"""The ensemble that everybody writes first: ask all at once, wait for all, let a judge write the answer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Protocol

import instructor
import litellm

if TYPE_CHECKING:
    from collections.abc import Sequence

    import openai
    from pydantic import BaseModel

PROMPT = "Several assistants answered this. Put the best answer together from what is right in theirs."


class Ask(Protocol):
    """Asks one model for a type; gives the answer, and the tokens that it took."""

    async def __call__(self, model: str, messages: Sequence[Any], type_: type[BaseModel]) -> tuple[Any, int]:
        """Ask."""
        ...


def with_litellm(base: str) -> Ask:
    """Ask with instructor over LiteLLM."""
    client = instructor.from_litellm(litellm.acompletion)

    async def ask(model: str, messages: Sequence[Any], type_: type[BaseModel]) -> tuple[Any, int]:
        answer, completion = await client.chat.completions.create_with_completion(
            model=f"openai/{model}",
            messages=list(messages),
            response_model=type_,
            max_retries=0,
            num_retries=0,
            api_base=base,
            api_key="sk-loopback",
        )
        return answer, completion.usage.total_tokens

    return ask


def with_sdk(client: openai.AsyncOpenAI) -> Ask:
    """Ask with the OpenAI client."""

    async def ask(model: str, messages: Sequence[Any], type_: type[BaseModel]) -> tuple[Any, int]:
        completion = await client.chat.completions.parse(model=model, messages=list(messages), response_format=type_)
        assert completion.usage is not None
        return completion.choices[0].message.parsed, completion.usage.total_tokens

    return ask


async def ensemble(
    ask: Ask, panel: Sequence[str], judge: str, messages: Sequence[Any], type_: type[BaseModel]
) -> tuple[Any, int]:
    """Ask all, wait for all, and then the judge; gives its answer, and the tokens that it alone took."""
    said = await asyncio.gather(*(ask(model, messages, type_) for model in panel), return_exceptions=True)
    valid = [each[0] for each in said if not isinstance(each, BaseException)]
    shown = "\n".join(
        f"Answer {number}: {json.dumps(each.model_dump(mode='json', by_alias=True), sort_keys=True)}"
        for number, each in enumerate(valid, 1)
    )
    brief = {"role": "user", "content": f"{PROMPT}\n{shown}"}
    return await ask(judge, [*messages, brief], type_)
