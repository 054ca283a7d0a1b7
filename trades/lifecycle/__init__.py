"""The life of a trade, as pure functions of its facts: `apply(state, event)`, `status`, `leaves`, `hold`, `charged`.

Stored are facts: the terms that are live, what was executed, what the exchange declared, and the requests. Everything
else is derived from them. No Django here.
"""

from trades.lifecycle.derived import charged, hold, is_ended, is_over, leaves, orig_cl_ord_id, requested_terms, status
from trades.lifecycle.facts import (
    AmendDropped,
    Anomaly,
    CancelledLocally,
    Denied,
    Event,
    Executed,
    Kind,
    NotReceived,
    Outcome,
    Report,
    Reported,
    Request,
    RequestAdded,
    Side,
    Stage,
    StageCompleted,
    State,
    Status,
    TimeInForce,
)
from trades.lifecycle.fees import FREE, FeeSchedule
from trades.lifecycle.reducer import apply

__all__ = [
    "FREE",
    "AmendDropped",
    "Anomaly",
    "CancelledLocally",
    "Denied",
    "Event",
    "Executed",
    "FeeSchedule",
    "Kind",
    "NotReceived",
    "Outcome",
    "Report",
    "Reported",
    "Request",
    "RequestAdded",
    "Side",
    "Stage",
    "StageCompleted",
    "State",
    "Status",
    "TimeInForce",
    "apply",
    "charged",
    "hold",
    "is_ended",
    "is_over",
    "leaves",
    "orig_cl_ord_id",
    "requested_terms",
    "status",
]
