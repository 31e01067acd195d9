"""The names of Parallel GPT Framework (``parallel_llm``), as its README shows them, on top of ``Ensemble``.

For code that has them already; new code says more with ``Ensemble``.

    >>> from ensemble_parse.compat import FrameworkConfig, ParallelLLM
    >>> framework = ParallelLLM(api_key="your-key", config=FrameworkConfig(num_processors=5, timeout=45.0))
    >>> framework.update_config(max_retries=3)
    >>> framework.get_config_summary()["max_retries"]
    3

A model name without a vendor is OpenAI's, and only models of OpenAI's get the ``api_key``; others take theirs from the
environment. What goes wrong is raised as this library's errors, or through ``chat.completions.parse`` as the OpenAI
client's.
"""

from __future__ import annotations

import difflib
import logging
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ensemble_parse._ensemble import Ensemble
from ensemble_parse._errors import ConfigurationError, EnsembleError
from ensemble_parse._judge import PROMPT as DECISION_MAKER_PROMPT
from ensemble_parse._judge import Judge
from ensemble_parse._processor import Processor, is_text
from ensemble_parse._retry import RetryPolicy, is_positive, is_whole
from ensemble_parse.openai import ask, face, sync_face

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ensemble_parse._models import Message, Result
    from ensemble_parse.openai import Chat, Completions, OpenAIFace, SyncCompletions

__all__ = ["DECISION_MAKER_PROMPT", "FrameworkConfig", "ParallelLLM", "create_framework"]

T = TypeVar("T")

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_HOTTEST: Final = 2
_SUMMARY: Final = 100  # characters of the prompt
_log = logging.getLogger(__name__)


@dataclass
class FrameworkConfig:
    """How many requests, how patient, and who decides.

    Attributes:
        num_processors: requests for each call, at least 1.
        timeout: seconds for each request.
        max_retries: how often a request is repeated after a failure that repeating can help.
        decision_maker_model: the judge's model.
        decision_maker_temperature: the judge's temperature, 0 to 2; left out for a model that takes none.
        decision_maker_prompt: how to judge; the task and the answers follow it.
        enable_logging: whether to write to the logger ``ensemble_parse.compat``; what becomes of that is the
            application's to say. No record holds a prompt, an answer or a key.
        log_level: the least level that is written: ``"DEBUG"``, ``"INFO"``, ``"WARNING"``, ``"ERROR"``, ``"CRITICAL"``.

    Raises:
        ConfigurationError: a value cannot work.

    Examples:
        >>> FrameworkConfig(num_processors=5).decision_maker_model
        'gpt-4o-mini'
    """

    num_processors: int = 3
    timeout: float = 30.0
    max_retries: int = 2
    decision_maker_model: str = "gpt-4o-mini"
    decision_maker_temperature: float = 0.1
    decision_maker_prompt: str = DECISION_MAKER_PROMPT
    enable_logging: bool = True
    log_level: str = "INFO"

    def __post_init__(self) -> None:
        """Check every value."""
        checks = {
            "num_processors": (is_whole(self.num_processors, least=1), "a whole number, 1 or more"),
            "timeout": (is_positive(self.timeout), "seconds, more than 0"),
            "max_retries": (is_whole(self.max_retries, least=0), "a whole number, 0 or more"),
            "decision_maker_model": (is_text(self.decision_maker_model), "a model's name"),
            "decision_maker_temperature": (
                _number(self.decision_maker_temperature) and 0 <= self.decision_maker_temperature <= _HOTTEST,
                f"a number from 0 to {_HOTTEST}",
            ),
            "decision_maker_prompt": (is_text(self.decision_maker_prompt), "a text"),
            "enable_logging": (self.enable_logging in {True, False}, "True or False"),
            "log_level": (self.log_level in _LEVELS, f"one of {', '.join(_LEVELS)}"),
        }
        for name, (holds, wanted) in checks.items():
            if not holds:
                message = f"FrameworkConfig({name}={getattr(self, name)!r}): give {wanted}"
                raise ConfigurationError(message)


class ParallelLLM:
    """The same request several times to one model, and a judge over the answers.

    Args:
        api_key: OpenAI's; ``None`` leaves it to the environment.
        config: the options; a copy is kept, so change them with ``update_config``.
    """

    def __init__(self, api_key: str | None, config: FrameworkConfig | None = None) -> None:
        """Keep the key and a copy of the options; nobody is asked."""
        self._api_key = api_key
        if config is not None and not isinstance(config, FrameworkConfig):
            message = f"config is a {type(config).__name__}: give a FrameworkConfig, or use create_framework(**options)"
            raise ConfigurationError(message)
        self._config = replace(config or FrameworkConfig())

    def __repr__(self) -> str:
        """Show how many are asked and who decides, and no key."""
        count, judge = self._config.num_processors, self._config.decision_maker_model
        return f"ParallelLLM(num_processors={count}, decision_maker_model={judge!r})"

    async def parse(
        self,
        model: str,
        messages: Iterable[Message],
        response_format: type[T],
        pass_reasoning: bool = False,  # noqa: FBT001, FBT002 - the README's signature
        **kwargs: Any,
    ) -> T:
        """Ask, decide, and return the answer.

        Args:
            model: OpenAI's name of the model, or a LiteLLM model string.
            messages: as the OpenAI client takes them.
            response_format: what the answer must be; exactly that is returned.
            pass_reasoning: let every request reason before it answers; the judge sees it, the answer is without it.
            kwargs: as for the OpenAI client's ``parse``.

        Raises:
            ConfigurationError: before any request: it could not run as asked.
            AllProcessorsFailed: no request gave a valid answer; a refusal is none.
            DeadlineExceeded: ``timeout=`` was given, and passed.
        """
        result: Result[T] = await self._ask(
            model=model, messages=messages, response_format=response_format, pass_reasoning=pass_reasoning, **kwargs
        )
        return result.output

    @property
    def chat(self) -> Chat[Completions]:
        """``chat.completions.parse``, as the OpenAI client has it; see ``ensemble_parse.openai``."""
        return self.beta.chat

    @property
    def beta(self) -> OpenAIFace[Completions]:
        """``beta.chat.completions.parse``."""
        return face(self._ask)

    @property
    def sync(self) -> OpenAIFace[SyncCompletions]:
        """``sync.chat.completions.parse``, for code that does not await."""
        return sync_face(self._ask)

    def update_config(self, **options: Any) -> None:
        """Change options, from the next call on.

        Raises:
            ConfigurationError: an option is unknown or cannot work; none is changed.
        """
        self._config = _changed(self._config, options)

    def get_config(self) -> FrameworkConfig:
        """Return a copy of the options."""
        return replace(self._config)

    def get_config_summary(self) -> dict[str, Any]:
        """Return the options as a dictionary, a long prompt shortened."""
        summary = asdict(self._config)
        prompt = self._config.decision_maker_prompt
        if len(prompt) > _SUMMARY:
            summary["decision_maker_prompt"] = f"{prompt[:_SUMMARY]}..."
        summary["logging_enabled"] = summary.pop("enable_logging")
        return summary

    async def _ask(self, *, model: Any = None, **given: Any) -> Result[Any]:
        if not is_text(model):
            message = f"model={model!r}: name the model, such as model='gpt-4o-mini'"
            raise ConfigurationError(message)
        config = self._config
        ensemble = Ensemble(
            [self._processor(model, config, name=f"processor {number + 1}") for number in range(config.num_processors)],
            Judge(
                self._processor(config.decision_maker_model, config, temperature=config.decision_maker_temperature),
                prompt=config.decision_maker_prompt,
            ),
        )
        _tell(config, logging.DEBUG, "asking %s %d times", model, config.num_processors)
        try:
            result = await ask(ensemble, **given)
        except EnsembleError as error:
            _tell(config, logging.ERROR, "no answer: %s", type(error).__name__)
            raise
        if result.reasons:
            why = ", ".join(f"{reason.kind} ({reason.processor})" for reason in result.reasons)
            _tell(config, logging.WARNING, "degraded: %s", why)
        said = (len(result.candidates), config.num_processors, result.decision.method, result.usage.total_tokens)
        _tell(config, logging.INFO, "%d of %d answered, decision: %s, %d tokens", *said)
        return result

    def _processor(self, model: str, config: FrameworkConfig, **settings: Any) -> Processor:
        if "/" not in model:
            model = f"openai/{model}"  # as the README has it; LiteLLM would guess another vendor from some names
        if self._api_key and model.startswith("openai/"):
            settings["api_key"] = self._api_key
        return Processor(model, retry=RetryPolicy(attempts=config.max_retries + 1, timeout=config.timeout), **settings)


def create_framework(api_key: str | None, **options: Any) -> ParallelLLM:
    """Make a framework from the options of ``FrameworkConfig``.

    Raises:
        ConfigurationError: an option is unknown or cannot work.

    Examples:
        >>> create_framework(api_key="your-key", num_processors=5)
        ParallelLLM(num_processors=5, decision_maker_model='gpt-4o-mini')
    """
    return ParallelLLM(api_key, _changed(FrameworkConfig(), options))


def _changed(config: FrameworkConfig, options: Mapping[str, Any]) -> FrameworkConfig:
    known = [field.name for field in fields(FrameworkConfig)]
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            message = f"there is no option {name!r}; {hint}"
            raise ConfigurationError(message)
    return replace(config, **options)


def _tell(config: FrameworkConfig, level: int, message: str, *values: object) -> None:
    # The level is this framework's own: setting it on the logger would silence another's.
    if config.enable_logging and level >= logging.getLevelNamesMapping()[config.log_level]:
        _log.log(level, message, *values)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
