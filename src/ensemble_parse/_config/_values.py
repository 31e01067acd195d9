"""What may stand in a configuration, and what may not: plain data, ``${NAME}``, and no key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self, cast

from ensemble_parse._consensus._paths import join
from ensemble_parse._errors import ConfigurationError

_REFERENCE: Final = re.compile(r"\$(\$?)\{([A-Za-z_]\w*)\}", re.ASCII)
# What the names of parameters and headers that carry a credential have in common.
_SECRET_NAME: Final = re.compile(
    r"api_?key|(access|private|subscription|functions|account|master|auth|virtual|goog|signing)_key|secret|password|passphrase|credential"
    r"|authorization|cookie|bearer|(^|_)(token|auth|pwd)$"
)
# What the credentials of vendors look like, wherever they stand.
_SECRET_VALUE: Final = re.compile(
    # Most vendors: a prefix and a long rest.
    r"\b(sk|rk|pk|xai|gsk|pplx|hf|ghp|github_pat|r8|nvapi|csk|tgp_v1|fw)[-_](?=[\w-]*\d)[\w-]{12,}"
    r"|\bA[KS]IA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}"  # AWS, Google
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"  # a JSON web token
    r"|\b(?i:bearer|basic)\s+[\w.~+/=-]{12,}"  # a header
    r"|://[^/\s:@]*:[^/\s@]+@|://[\w.~-]{16,}@"  # an address with a password, or with a token for a user
    r"|[?&](?i:[\w-]*(key|token|sig|signature|secret|password|credential)|code)=[^&\s]{6,}"
)
# Under these, names are the user's own: fields of an answer, properties of a schema.
_OWN_NAMES: Final = frozenset({"rules", "examples", "tools"})


class Filled(str):
    """A text whose ``${NAME}`` have been filled in, and which remembers how it was written."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, text: str, written: str) -> Self:
        """Keep both."""
        self = super().__new__(cls, text)
        self.written = written
        return self

    def __repr__(self) -> str:
        """Show what was written: what was filled in may be a key."""
        return repr(self.written)

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Be copied and pickled whole."""
        return type(self), (str(self), self.written)


def filled(value: Any, path: str) -> Any:
    """Fill in ``${NAME}`` from the environment in every text of a value; ``$${NAME}`` is ``${NAME}`` itself.

    Raises:
        ConfigurationError: there is no such variable.
    """
    match value:
        case str():

            def variable(found: re.Match[str]) -> str:
                if found[1]:
                    return found[0][1:]
                given = os.environ.get(found[2])
                if not given:
                    message = (
                        f"{path}: the environment has no variable {found[2]}; set it, or write $${{...}} for the text"
                    )
                    raise ConfigurationError(message)
                return given

            text = _REFERENCE.sub(variable, value)
            return Filled(text, value) if has_reference(value) else text
        case list():
            items = cast("list[Any]", value)
            return [filled(item, join(path, at)) for at, item in enumerate(items)]
        case dict():
            return {key: filled(item, join(path, key)) for key, item in cast("dict[str, Any]", value).items()}
        case _:
            return value


def written(value: Any, path: str) -> Any:
    """Turn a model parameter into what a file holds, references as they were.

    Raises:
        ConfigurationError: it is no plain data.
    """
    match value:
        case Filled():
            return value.written
        case str():
            return _REFERENCE.sub(lambda found: f"${found[0]}", value)
        case _:
            return plain(value, path, written)


def plain(value: Any, path: str, text: Any = None) -> Any:
    """Copy plain data into dicts and lists of its own.

    Args:
        value: the data.
        path: where it stands, for the message.
        text: what to make of each part, with its path; by default the same.

    Raises:
        ConfigurationError: something is no plain data, or a key of a mapping is no text.
    """
    part = text or plain
    match value:
        case Mapping():
            items = cast("Mapping[Any, Any]", value).items()
            for key, _ in items:
                if not isinstance(key, str):
                    message = f"{path or 'the top'}: the key {key!r} is a {type(key).__name__}; write it in quotes"
                    raise ConfigurationError(message)
            return {key: part(item, join(path, key)) for key, item in items}
        case str():
            return value
        case bytes() | bytearray():
            pass
        case Sequence():
            return [part(item, join(path, at)) for at, item in enumerate(cast("Sequence[Any]", value))]
        case _ if value is None or isinstance(value, int | float) or hasattr(value, "isoformat"):
            return value
        case _:
            pass
    message = f"{path}: a {type(value).__name__} is no plain data, and cannot stand in a configuration"
    raise ConfigurationError(message)


def has_reference(text: str) -> bool:
    """Whether a text names a variable of the environment."""
    return any(not found[1] for found in _REFERENCE.finditer(text))


def no_keys(value: Any, path: str, advice: str, name: str = "") -> None:
    """See to it that no credential stands in a configuration, by the names of parameters and by what values look like.

    Args:
        value: plain data.
        path: where it stands.
        advice: what to do instead.
        name: what it is called; empty where names are the user's own, and say nothing.

    Raises:
        ConfigurationError: one does; the message gives the path and not the value.
    """
    match value:
        case str():
            called = (
                value and not has_reference(value) and _SECRET_NAME.search(re.sub(r"[^a-z0-9]+", "_", name.lower()))
            )
            if called or _SECRET_VALUE.search(_REFERENCE.sub("", value)):
                message = f"{path}: this looks like a key, and a file is no place for keys; {advice}"
                raise ConfigurationError(message)
        case list():
            for at, item in enumerate(cast("list[Any]", value)):
                no_keys(item, join(path, at), advice, name)
        case dict():
            for key, item in cast("dict[str, Any]", value).items():
                own = name in _OWN_NAMES
                no_keys(item, join(path, key), advice, name if own else key)
        case _:
            pass
