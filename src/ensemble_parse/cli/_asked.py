"""Who is asked: an ensemble from the options, with the local models among them as long as it is used."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._budget import Budget
from ensemble_parse._ensemble import Ensemble
from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from ensemble_parse._processor import Processor

_LIMITS: Final = {"usd": float, "tokens": int, "calls": int, "unknown_price": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options that say who is asked; what is not given is as the file has it.

    Attributes:
        config: the file of ensembles.
        name: which of them.
        models: model strings, the most trusted first.
        local: samples of the local model.
        judge: the arbiter's model.
        strict: whether what is degraded has failed.
        deadline: seconds for one document.
        budget: limits, such as ``usd=1.50``.
    """

    config: Path | None = None
    name: str | None = None
    models: Sequence[str] = ()
    local: int = 0
    judge: str | None = None
    strict: bool = False
    deadline: float | None = None
    budget: Sequence[str] = ()

    @contextlib.asynccontextmanager
    async def ensemble(self) -> AsyncGenerator[Ensemble]:
        """Build it, and keep the local models running as long as this is open.

        Raises:
            ConfigurationError: nobody is asked, the file is wrong, a local model is not installed, a limit is none.
        """
        read = self._read()
        budget = self._budget() or read.budget
        async with contextlib.AsyncExitStack() as stack:
            processors: list[str | Processor] = [*self.models]
            if self.local:
                from ensemble_parse.local import local_models

                # What the file sets for all, such as the temperature, goes before the local models' defaults.
                processors += await stack.enter_async_context(local_models(samples=self.local, **read.params))
            yield Ensemble(
                processors or read.processors,
                self.judge or read.decision_maker,
                pace=read.pace,
                deadline=read.deadline if self.deadline is None else self.deadline,
                min_candidates=read.min_candidates,
                budget=budget,
                strict=self.strict or read.strict,
                examples=read.examples,
                shuffle_examples=read.shuffle_examples,
                name=read.name,
                **read.params,
            )

    def _read(self) -> Ensemble:
        if self.config is not None:
            return Ensemble.from_config(self.config, self.name)
        if self.name is not None:
            message = f"--ensemble {self.name}: name the file that it is in with --config"
            raise ConfigurationError(message)
        if not self.models and not self.local:
            message = "nobody is asked: give --config FILE, --model MODEL or --local N"
            raise ConfigurationError(message)
        return Ensemble()

    def _budget(self) -> Budget | None:
        limits: dict[str, Any] = {}
        for given in self.budget:
            name, _, value = given.partition("=")
            try:
                limits[name] = _LIMITS[name](value)
            except (KeyError, ValueError):
                message = f"--budget {given}: give usd=1.50, tokens=100000, calls=100 or unknown_price=allow"
                raise ConfigurationError(message) from None
        return Budget(**limits) if limits else None
