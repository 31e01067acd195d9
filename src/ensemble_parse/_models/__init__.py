"""The nouns, in the order in which one call meets them: request, ledger, candidates and decision, result."""

from ensemble_parse._models._decision import (
    Candidate,
    Decision,
    Dissent,
    How,
    R,
    Reason,
    ReasonKind,
    Verdict,
)
from ensemble_parse._models._ledger import Attempt, Cost, Usage
from ensemble_parse._models._request import TRANSPORT, Message, Messages, Mode, Pace, Request, T
from ensemble_parse._models._result import Event, EventKind, Result, Status

__all__ = [
    "TRANSPORT",
    "Attempt",
    "Candidate",
    "Cost",
    "Decision",
    "Dissent",
    "Event",
    "EventKind",
    "How",
    "Message",
    "Messages",
    "Mode",
    "Pace",
    "R",
    "Reason",
    "ReasonKind",
    "Request",
    "Result",
    "Status",
    "T",
    "Usage",
    "Verdict",
]
