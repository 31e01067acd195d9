"""What the caller says, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from pydantic_core import ValidationError

from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from ensemble_parse._format import ResponseFormat
    from ensemble_parse._models import Message, Messages

_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")

Example: TypeAlias = "tuple[Any, Any] | tuple[Any, Any, str]"


def conversation(messages: Messages) -> tuple[Message, ...]:
    """Take a text as one user message, or a list of messages as it is.

    Raises:
        ConfigurationError: it is empty, or an item is no message.
    """
    if isinstance(messages, str):
        if not messages.strip():
            message = "messages is an empty text: say what the models shall answer"
            raise ConfigurationError(message)
        return ({"role": "user", "content": messages},)
    if isinstance(cast("object", messages), bytes | bytearray) or not isinstance(messages, Sequence):
        message = f"messages is a {type(messages).__name__}: give a text, or a list of {{'role': ..., 'content': ...}}"
        raise ConfigurationError(message)
    if not messages:
        message = "messages is empty: say what the models shall answer"
        raise ConfigurationError(message)
    for number, each in enumerate(messages):
        if not isinstance(each, Mapping) or not isinstance(each.get("role"), str):
            message = f"messages[{number}] is no message: give {{'role': 'user', 'content': ...}}"
            raise ConfigurationError(message)
        if each["role"] not in _ROLES:
            message = f"messages[{number}] has the role {each['role']!r}: give one of {', '.join(_ROLES)}"
            raise ConfigurationError(message)
        if not each.get("content") and not each.keys() & {"tool_calls", "function_call", "refusal"}:
            message = f"messages[{number}] has no content"
            raise ConfigurationError(message)
        if not _is_content(each.get("content")):
            message = f"messages[{number}]: its content must be a text or a list of parts, {{'type': ..., ...}}"
            raise ConfigurationError(message)
    return (*messages,)


def _is_content(content: object) -> bool:
    if isinstance(content, list | tuple):
        parts = cast("list[Any]", content)
        return all(isinstance(part, Mapping) and isinstance(cast("Any", part).get("type"), str) for part in parts)
    return content is None or isinstance(content, str)


def example_turns(examples: Sequence[Example], format_: ResponseFormat[Any]) -> tuple[tuple[Message, Message], ...]:
    """Write few-shot examples as turns of the conversation, the answer as the model should write it.

    Args:
        examples: ``(input, output)``; the input is a text or the content parts of a message, the output an object of
            the response type, or data that validates as one. With ``pass_reasoning`` a third item is the reasoning.
        format_: what an answer must be.

    Raises:
        ConfigurationError: an example is no example of the response type.
    """
    return tuple(_turns(number, example, format_) for number, example in enumerate(examples))


def _turns(number: int, example: Example, format_: ResponseFormat[Any]) -> tuple[Message, Message]:
    wanted = 3 if format_.reasoning else 2
    if len(example) != wanted:
        what = "(input, output, reasoning), since pass_reasoning is on" if format_.reasoning else "(input, output)"
        message = f"examples[{number}] must be {what}"
        raise ConfigurationError(message)
    said, output, *reasoning = example
    try:
        value = format_.coerce(output)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the output"
        message = f"examples[{number}]: the output is no {format_.name}: {place}: {first['msg']}"
        raise ConfigurationError(message) from error
    text = format_.text(value, *reasoning)
    try:
        format_.parse(text)
    except ValidationError as error:
        # A field with only a validation alias is dumped under a name that the schema does not have.
        message = (
            f"examples[{number}]: {format_.name} does not validate what it dumps: give its fields one alias for both"
        )
        raise ConfigurationError(message) from error
    return {"role": "user", "content": said}, {"role": "assistant", "content": text}
