"""The life of a trade, as pure functions of its facts: `apply(state, event)`, `status`, `leaves`, `hold`, `charged`.

Stored are facts: the terms that are live, what was executed, what the exchange declared, and the requests. Everything
else is derived from them. No Django here.
"""

from trades.lifecycle.derived import charged, hold, is_ended, is_over, leaves, original_id, status, wished
from trades.lifecycle.facts import (
    Abandoned,
    Advanced,
    Anomaly,
    Asked,
    Event,
    Executed,
    Kind,
    NeverArrived,
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
from trades.lifecycle.fees import FREE, FeeSchedule
from trades.lifecycle.reducer import apply

__all__ = [
    "FREE",
    "Abandoned",
    "Advanced",
    "Anomaly",
    "Asked",
    "Event",
    "Executed",
    "FeeSchedule",
    "Kind",
    "NeverArrived",
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
    "charged",
    "hold",
    "is_ended",
    "is_over",
    "leaves",
    "original_id",
    "status",
    "wished",
]
