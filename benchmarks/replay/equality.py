"""When two values are equal, as the sets' rules say it."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")
DATE = re.compile(r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})$")
PIVOT = 50  # two digits of a year from here on belong to the last century
ISO_DATE = re.compile(r"^(\d{4})-(\d{1,2})-(\d{1,2})(?:T00:00:00)?$")
STATES = {
    "alabama": "al", "alaska": "ak", "arizona": "az", "arkansas": "ar", "california": "ca", "colorado": "co",
    "connecticut": "ct", "delaware": "de", "district of columbia": "dc", "florida": "fl", "georgia": "ga",
    "hawaii": "hi", "idaho": "id", "illinois": "il", "indiana": "in", "iowa": "ia", "kansas": "ks", "kentucky": "ky",
    "louisiana": "la", "maine": "me", "maryland": "md", "massachusetts": "ma", "michigan": "mi", "minnesota": "mn",
    "mississippi": "ms", "missouri": "mo", "montana": "mt", "nebraska": "ne", "nevada": "nv", "new hampshire": "nh",
    "new jersey": "nj", "new mexico": "nm", "new york": "ny", "north carolina": "nc", "north dakota": "nd",
    "ohio": "oh", "oklahoma": "ok", "oregon": "or", "pennsylvania": "pa", "rhode island": "ri",
    "south carolina": "sc", "south dakota": "sd", "tennessee": "tn", "texas": "tx", "utah": "ut", "vermont": "vt",
    "virginia": "va", "washington": "wa", "west virginia": "wv", "wisconsin": "wi", "wyoming": "wy", "alberta": "ab",
    "british columbia": "bc", "manitoba": "mb", "new brunswick": "nb", "newfoundland and labrador": "nl",
    "newfoundland": "nl", "nova scotia": "ns", "ontario": "on", "prince edward island": "pe", "quebec": "qc",
    "saskatchewan": "sk",
}  # fmt: skip


def number(value: object) -> float | None:
    """The number that a value is, or that a text writes."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value).replace(",", "").replace("$", "").strip())
    except ValueError:
        return None


def same_number(one: float, other: float, relative: float = 1e-9) -> bool:
    """Equal by value, up to the last bits."""
    return math.isclose(one, other, rel_tol=relative, abs_tol=1e-9)


def folded(text: str) -> str:
    """Case-folded, with single blanks."""
    return " ".join(text.casefold().split())


def plain(value: object, truth: object) -> bool:
    """Text equal after case folding, single blanks and no final full stop; numbers by value."""
    if isinstance(truth, bool) or isinstance(value, bool) or truth is None or value is None:
        return value is truth
    if isinstance(truth, int | float):
        found = number(value)
        return found is not None and same_number(found, float(truth))
    return folded(str(value)).removesuffix(".") == folded(str(truth)).removesuffix(".")


def canonical(value: Any, path: str) -> Any:
    """The canonical form of a field of a long list."""
    if isinstance(value, list):
        return sorted(str(canonical(each, path)) for each in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(float(value), 6)
    text = folded(value) if isinstance(value, str) else ""
    name = path.rpartition(".")[2]
    if name in {"state", "policy_state", "loss_state", "state_licensed", "jurisdiction"}:
        return STATES.get(text, text)
    if name in {"vehicle", "unit_number"}:
        text = text.removeprefix("unit ").strip()
        digits = re.findall(r"\d{5,}", text)
        return digits[-1] if digits else text
    return date(text.removesuffix(".") if name == "description" else text)


def date(text: str) -> str:
    """A date as MM/DD/YYYY; any other text as it is."""
    if found := DATE.match(text):
        century = "" if len(found[3]) == len("2024") else "20" if int(found[3]) < PIVOT else "19"
        return f"{int(found[1]):02}/{int(found[2]):02}/{century}{found[3]}"
    if found := ISO_DATE.match(text):
        return f"{int(found[2]):02}/{int(found[3]):02}/{found[1]}"
    return text


def literal(text: str) -> object:
    """Read a Python literal; a text that is none stands for itself."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text.strip().strip("'\"")


def same_literal(answer: str, truth: str) -> bool:
    """Equal Python literals, a text with or without its quotes."""
    right = literal(truth)
    found = literal(answer)
    if isinstance(right, str):
        return right in (found, answer.strip())
    return bool(found == right) and isinstance(found, bool) == isinstance(right, bool)


def last_number(text: str) -> float | None:
    """The last number in a text."""
    found = NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def same_last_number(answer: str, truth: str) -> bool:
    """Equal last numbers."""
    found, right = last_number(answer), last_number(truth)
    return found is not None and right is not None and same_number(found, right)


def typeset(text: str) -> str:
    """A formula without its LaTeX typesetting."""
    text = re.sub(r"\\boxed\{(.*)\}", r"\1", text.strip())
    text = re.sub(r"\\(?:text|mathrm|mbox|textbf|mathbf|operatorname)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\(?:left|right|displaystyle|big|Big|bigl|bigr|limits)(?![a-zA-Z])", "", text)
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    text = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"\1/\2", text)
    text = re.sub(r"\\sqrt\s*\{([^{}]*)\}", r"sqrt(\1)", text)
    text = re.sub(r"sqrt(\d)(?!\d)", r"sqrt(\1)", text.replace("\\sqrt", "sqrt"))
    text = re.sub(r"\^\s*\{?\\circ\}?|\\degree|°", "", text)
    text = re.sub(r"\\[!,;: ()\[\]]|[$%]|\\%|\\\$", "", text)
    text = re.sub(r"\\(?:cdot|times)", "*", text.replace("\\pi", "pi").replace("π", "pi").replace("√", "sqrt"))
    text = re.sub(r"(?<=\d),(?=\d{3}(?:\D|$))", "", text)
    text = re.sub(r"^[a-zA-Z]\s*=\s*", "", text.strip())
    return re.sub(r"[\s{}\\]", "", text).removesuffix(".").casefold()


def same_formula(answer: str, truth: str) -> bool:
    """Equal after removing LaTeX typesetting, or equal as numbers."""
    one, other = typeset(answer), typeset(truth)
    found, right = number(one), number(other)
    return one == other or (found is not None and right is not None and same_number(found, right))
