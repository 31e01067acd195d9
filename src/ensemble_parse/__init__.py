"""One request, several LLMs of any vendor, one typed answer; and for every field of it who said what."""

from ensemble_parse._client._protocol import Client, Fit, ModelCall, Reply
from ensemble_parse._decision import Case, DecisionMaker, First
from ensemble_parse._ensemble import Ensemble
from ensemble_parse._errors import (
    AllProcessorsFailed,
    ConfigurationError,
    DeadlineExceeded,
    DecisionError,
    DegradedResult,
    EnsembleError,
    InvalidOutput,
    ProcessorError,
    ProcessorTimeout,
    ProviderError,
    Refused,
    Truncated,
)
from ensemble_parse._format import Parsed, ResponseFormat
from ensemble_parse._judge import Judge
from ensemble_parse._models import (
    Attempt,
    Candidate,
    Cost,
    Decision,
    Dissent,
    Reason,
    Request,
    Result,
    Usage,
    Verdict,
)
from ensemble_parse._processor import Processor
from ensemble_parse._retry import RetryPolicy

__all__ = [
    "AllProcessorsFailed",
    "Attempt",
    "Candidate",
    "Case",
    "Client",
    "ConfigurationError",
    "Cost",
    "DeadlineExceeded",
    "Decision",
    "DecisionError",
    "DecisionMaker",
    "DegradedResult",
    "Dissent",
    "Ensemble",
    "EnsembleError",
    "First",
    "Fit",
    "InvalidOutput",
    "Judge",
    "ModelCall",
    "Parsed",
    "Processor",
    "ProcessorError",
    "ProcessorTimeout",
    "ProviderError",
    "Reason",
    "Refused",
    "Reply",
    "Request",
    "ResponseFormat",
    "Result",
    "RetryPolicy",
    "Truncated",
    "Usage",
    "Verdict",
]
