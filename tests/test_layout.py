"""The package's layout: who imports whom, what is public, and what an import costs."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import ensemble_parse

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(ensemble_parse.__file__).parent

# From the bottom up; this is also the order to read them in. A new module gets its place here.
ORDER = [
    "_errors",
    "_show",
    "_models._request",
    "_models._ledger",
    "_models._decision",
    "_models._result",
    "_models",
    "_learned",
    "_repair",
    "_schema",
    "_format",
    "_rules._field",
    "_rules._compare",
    "_rules._combine",
    "_rules._dissent",
    "_rules",
    "_consensus._values",
    "_consensus._node",
    "_consensus._paths",
    "_consensus._rules",
    "_consensus._annotations",
    "_consensus._unions",
    "_consensus._records",
    "_consensus._shape",
    "_consensus._nearness",
    "_consensus._numbers",
    "_consensus._vote",
    "_consensus._similarity",
    "_consensus._align",
    "_consensus._combined",
    "_consensus._data",
    "_consensus._polls",
    "_consensus._merge",
    "_consensus._search",
    "_consensus._cohere",
    "_consensus._rows",
    "_consensus._verdicts",
    "_consensus._contests",
    "_consensus._settled",
    "_consensus._splits",
    "_consensus._survey",
    "_consensus",
    "_messages",
    "_retry",
    "_budget",
    "_limits",
    "_telemetry._spans",
    "_telemetry._attributes",
    "_telemetry._lines",
    "_telemetry",
    "_client._protocol",
    "_client._admission",
    "_client._prices",
    "_client._modes",
    "_client._faults",
    "_client._reading",
    "_client._libraries",
    "_client._keys",
    "_client._dialogue",
    "_client._batch",
    "_client._litellm",
    "_processor",
    "_seats",
    "_decision",
    "_arbiter",
    "_judge",
    "_schedule",
    "_estimates",
    "_events",
    "_sync",
    "_again",
    "_records",
    "_stored",
    "_completion",
    "openai",
    "_batch._items",
    "_batch._fingerprint",
    "_batch._outbox",
    "_batch._journal",
    "_batch._progress",
    "_batch._vendor",
    "_batch._post",
    "batch",
    "_call",
    "_ensemble",
    "",
    "testing",
    "_config._toml",
    "_config._values",
    "_config._tables",
    "_config._format",
    "_config._overrides",
    "config",
    "_cache._flight",
    "_cache._key",
    "_cache._entry",
    "_cache._memory",
    "_cache._disk",
    "cache",
    "compat",
    "_evaluate._report",
    "_evaluate._intervals",
    "_evaluate._labelled",
    "_evaluate._marks",
    "_evaluate._fit",
    "_evaluate._ways",
    "_evaluate._scores",
    "_evaluate._findings",
    "_evaluate._show",
    "evaluate",
    "_local_weights",
    "_local_serve",
    "local",
    "demo._documents",
    "demo._show",
    "demo",
    "_json_leaves",
    "_json_merge",
    "_json_schema",
    "integrations._asked",
    "integrations._told",
    "integrations.litellm",
    "integrations._columns",
    "integrations.ray",
    "cli._options",
    "cli._asked",
    "cli._schema",
    "cli._parse",
    "cli._batch",
    "cli._evaluate",
    "cli._check",
    "cli._demo",
    "cli._app",
    "cli",
    "cli.__main__",
]
# Those that look down: a result writes and reads itself, and so does an ensemble, in a file of its own that is imported
# when it is asked to.
DOWNWARD = {
    ("_models._decision", "_stored"),
    ("_models._result", "_stored"),
    ("_models._result", "_again"),
    ("_ensemble", "config"),
    ("_evaluate._report", "_evaluate._show"),
}
# `demo` and `cli` are reached by the command alone.
PUBLIC = [
    *("batch", "cache", "compat", "config", "evaluate", "local", "openai", "testing"),
    *("integrations.litellm", "integrations.ray"),
]
HEAVY = {
    "numpy",
    "scipy",
    "rapidfuzz",
    "litellm",
    "instructor",
    "openai",
    "pydantic",
    "tenacity",
    "rich",
    "typer",
    "httpx",
    "aiohttp",
    "opentelemetry",
    "pyarrow",
    "ray",
}


def modules() -> dict[str, Path]:
    """Map each module's name inside the package to its file; the package itself is ''."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix("."): path
        for path in ROOT.rglob("*.py")
        if path.stem != "__init__" or path.read_text(encoding="utf-8").count("\n") > 1
    }


def imports(tree: ast.AST, *, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield what is imported, and whether inside a function; imports for type checkers alone are left out."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                continue
            case ast.Import(names=names):
                yield from ((alias.name, inside) for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from ((f"{module}.{alias.name}", inside) for alias in names)
            case _:
                deeper = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from imports(node, inside=deeper)


def place(name: str) -> str | None:
    """Name the module of this package that an imported dotted name comes from."""
    if name.partition(".")[0] != "ensemble_parse":
        return None
    inner = name.partition(".")[2]
    while inner not in ORDER and inner:
        inner = inner.rpartition(".")[0]
    return inner


def test_every_module_has_its_place() -> None:
    """A module that is not in the order would escape the other tests."""
    assert sorted(modules()) == sorted(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_imports_go_up(name: str) -> None:
    """A module imports only from those before it; types alone may come from anywhere."""
    tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
    places = {at for imported, _ in imports(tree) if (at := place(imported)) is not None}
    below = {at for at in places if ORDER.index(at) > ORDER.index(name) and (name, at) not in DOWNWARD}
    assert not below, f"{name or 'ensemble_parse'} imports from modules that come after it"


@pytest.mark.parametrize("name", ORDER)
def test_only_the_seam_names_the_libraries_below(name: str) -> None:
    """LiteLLM and instructor are imported by the client alone, and only when it is used."""
    tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
    named = {(imported.partition(".")[0], inside) for imported, inside in imports(tree)}
    libraries = {(library, inside) for library, inside in named if library in {"litellm", "instructor"}}
    allowed = {("litellm", True), ("instructor", True)} if name.startswith("_client.") else set()
    assert libraries <= allowed


def test_all_is_what_is_public() -> None:
    """What has no underscore is in ``__all__``, and the other way round; ruff keeps it sorted."""
    public = {
        name
        for name, value in vars(ensemble_parse).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(ensemble_parse.__all__)
    assert len(ensemble_parse.__all__) == len(public)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_modules_say_what_is_public(name: str) -> None:
    """Every public module has ``__all__``, and all of it exists."""
    module = importlib.import_module(f"ensemble_parse.{name}")
    assert [public for public in module.__all__ if not hasattr(module, public)] == []


def test_the_reference_is_complete() -> None:
    """Every public name has its place in the reference."""
    page = (ROOT.parents[1] / "docs/reference/index.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: ensemble_parse\.(\w+)$", page, re.MULTILINE)) == sorted(ensemble_parse.__all__)


def test_importing_is_cheap() -> None:
    """The package alone loads none of the heavy libraries: they come with the first use."""
    script = f"import sys, ensemble_parse; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
