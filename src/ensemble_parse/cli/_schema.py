"""What the answer must be, from the text of an option."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from ensemble_parse._errors import ConfigurationError


def response_format(given: str) -> Any:
    """Find the type that ``--schema`` names.

    Args:
        given: ``module:Model``, or the path of a JSON Schema that ends in ``.json``.

    Raises:
        ConfigurationError: it is neither, or cannot be read, imported or used.
    """
    if given.lower().endswith(".json"):
        return _from_file(Path(given))
    module, _, names = given.partition(":")
    if not module or not names:
        message = f"--schema {given}: give module:Model, or a JSON Schema file that ends in .json"
        raise ConfigurationError(message)
    # A console script looks for modules beside itself; the user's are here.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what it prints is no part of the answer
            found: Any = importlib.import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:  # a script may leave when it is imported
        message = f"--schema {given}: {type(error).__name__}: {error}"
        raise ConfigurationError(message) from error
    return found


def _from_file(path: Path) -> Any:
    from ensemble_parse._json_schema import type_of

    try:
        return type_of(json.loads(path.read_text(encoding="utf-8-sig")), path.stem)
    except OSError as error:
        why = f"it cannot be read: {error.strerror}"
    except ConfigurationError as error:
        why = str(error)
    except ValueError as error:
        why = f"it is no JSON: {error}"
    message = f"--schema {path}: {why}"
    raise ConfigurationError(message)
