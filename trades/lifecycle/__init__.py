"""The life of a trade, as pure functions of its facts: `apply(state, event)`, `status`, `leaves`, `hold`.

Stored are facts: the terms that are live, what was executed, what the exchange declared, and the requests. Everything
else is derived from them. No Django here.
"""

from trades.lifecycle.derived import hold, is_ended, is_over, leaves, original_id, status, wished
from trades.lifecycle.facts import (
    Advanced,
    Anomaly,
    Asked,
    Event,
    Executed,
    Kind,
    Outcome,
    Refused,
    Report,
    Reported,
    Request,
    Side,
    Stage,
    State,
    Status,
    TimeInForce,
    Withdrawn,
)
from trades.lifecycle.reducer import apply

__all__ = [
    "Advanced",
    "Anomaly",
    "Asked",
    "Event",
    "Executed",
    "Kind",
    "Outcome",
    "Refused",
    "Report",
    "Reported",
    "Request",
    "Side",
    "Stage",
    "State",
    "Status",
    "TimeInForce",
    "Withdrawn",
    "apply",
    "hold",
    "is_ended",
    "is_over",
    "leaves",
    "original_id",
    "status",
    "wished",
]
