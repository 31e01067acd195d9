"""The ensembles that the tests of LiteLLM's provider ask, in this process and behind a proxy in its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, model_validator
from tenacity import wait_none

from ensemble_parse import BudgetExceeded, Ensemble, Processor, ProviderError, Refused, RetryPolicy, Truncated
from ensemble_parse.integrations.litellm import EnsembleProvider
from ensemble_parse.testing import FunctionClient, ScriptedClient

if TYPE_CHECKING:
    from ensemble_parse import ModelCall

NAMES: Final = ("a/a", "b/b", "c/c")


class Invoice(BaseModel):
    """What two of three models agree on, field by field."""

    number: str
    net: float
    tax: float = 0.0
    total: float

    @model_validator(mode="after")
    def adds_up(self) -> Invoice:
        """No schema says this."""
        if self.net + self.tax != self.total:
            message = "net and tax are not the total"
            raise ValueError(message)
        return self


INVOICE: Final = {"number": "2026-117", "net": 100, "tax": 20, "total": 120}


def failing(error: Exception, *, attempts: int = 1) -> Ensemble:
    """Three processors that fail alike."""
    policy = RetryPolicy(attempts=attempts, wait=wait_none(), reasks=0)
    script = {name: [error] for name in NAMES}
    return Ensemble([Processor(name, retry=policy) for name in NAMES], client=ScriptedClient(script))


def _provider_error(status: int) -> ProviderError:
    return ProviderError(f"status {status}", status_code=status, retryable=status >= 500)


def _seen(call: ModelCall[Any]) -> Any:
    """What the models see, as their answer."""
    return {"params": {name: repr(value) for name, value in call.params.items()}, "messages": [*call.messages]}


ENSEMBLES: Final = {
    "invoices": Ensemble(
        NAMES,
        client=ScriptedClient({"a/a": [INVOICE], "b/b": [{**INVOICE, "number": "2026-171"}], "c/c": [INVOICE]}),
        name="invoices",
    ),
    "texts": Ensemble(NAMES[:2], client=ScriptedClient({"a/a": ["Paris"], "b/b": ["paris"]})),
    "mirror": Ensemble(["a/a"], client=FunctionClient(_seen)),
    "refusing": failing(Refused("it refused", refusal="I would rather not")),
    "cut-off": failing(Truncated("cut off", text='{"number": "20')),
    "invalid": Ensemble(
        [Processor(name, retry=RetryPolicy(reasks=0)) for name in NAMES], client=FunctionClient(lambda _: "no JSON")
    ),
    "gone": failing(ConnectionError(), attempts=2),
    "late": failing(TimeoutError()),
    "spent": failing(BudgetExceeded("the budget is spent")),
    "limited": failing(_provider_error(429)),
    "forbidden": failing(_provider_error(401)),
    "mixed": Ensemble(
        NAMES[:2], client=ScriptedClient({"a/a": [_provider_error(401)], "b/b": [_provider_error(429)]}), name="mixed"
    ),
    "few": Ensemble(
        ["a/a", "b/b"], min_candidates=2, client=ScriptedClient({"a/a": [INVOICE], "b/b": [_provider_error(400)]})
    ),
    "inner": Ensemble(["ensemble/invoices"]),
    # Through the proxy to itself, where nobody can see it beforehand.
    "circle": Ensemble(
        [
            Processor(
                "litellm_proxy/ensemble/circle",
                api_base=os.environ.get("PROXY_URL", "http://127.0.0.1:9"),
                api_key=os.environ.get("PROXY_KEY", "none"),
                retry=RetryPolicy(attempts=1),
            )
        ],
        name="circle",
    ),
    "models": Ensemble(["openai/gpt-5-mini", "openai/gpt-5-nano"]),
}
PROVIDER: Final = EnsembleProvider(ENSEMBLES, response_formats=[Invoice])
ONE: Final = ENSEMBLES["invoices"]
