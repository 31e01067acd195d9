"""Plain data as TOML, laid out for people: the standard library reads TOML and does not write it."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

from ensemble_parse._consensus._paths import join
from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # all but tab and line feed
_WIDTH: Final = 100
_HEADED: Final = 2  # tables this far down have a header of their own, however short they are
_DATES: Final = (dt.date, dt.time)


def toml(data: Mapping[str, Any]) -> str:
    """Write a mapping as a TOML document.

    Raises:
        ConfigurationError: TOML has nothing for a value; the message gives its path.
    """
    return "\n".join(_table(data, (), "")).lstrip("\n") + "\n"


def _table(data: Mapping[str, Any], header: tuple[str, ...], path: str) -> Iterator[str]:
    below: dict[str, Mapping[str, Any]] = {}
    lines: list[str] = []
    for key, value in data.items():
        at = join(path, key)
        line = f"{_key(key)} = {_value(value, at)}"
        if isinstance(value, dict) and (len(header) < _HEADED or len(line) > _WIDTH):
            below[key] = cast("dict[str, Any]", value)
        elif isinstance(value, list) and len(line) > _WIDTH:
            items = cast("list[Any]", value)
            lines += [f"{_key(key)} = [", *(f"  {_value(item, join(at, n))}," for n, item in enumerate(items)), "]"]
        else:
            lines.append(line)
    if header and (lines or not below):
        yield from ("", f"[{'.'.join(map(_key, header))}]")
    yield from lines
    for key, value in below.items():
        yield from _table(value, (*header, key), join(path, key))


def _value(value: Any, path: str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case int() | float():
            return repr(value)
        case list():
            items = cast("list[Any]", value)
            return f"[{', '.join(_value(item, join(path, at)) for at, item in enumerate(items))}]"
        case dict():
            table = cast("dict[str, Any]", value)
            pairs = ", ".join(f"{_key(key)} = {_value(item, join(path, key))}" for key, item in table.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case _ if isinstance(value, _DATES):
            return value.isoformat()
        case _:
            what = "null" if value is None else type(value).__name__
            message = f"{path}: TOML has no {what}; keep this configuration as JSON or YAML, or leave the key out"
            raise ConfigurationError(message)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _text(text: str) -> str:
    if "\n" not in text:
        return _quoted(text)
    text = text.replace("\\", "\\\\").replace('"""', '""\\"')
    return '"""\n' + _UNPRINTABLE.sub(_escaped, text) + '"""'


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, but for one character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
