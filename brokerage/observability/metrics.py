"""Every metric of ours. Counted after the commit of what is counted; labels have few values, never an id or a symbol.

The database is the truth: what it holds is read from it at each scrape (`DATABASE_GAUGES`). The counters are for rates,
and a process killed between a commit and its count loses that count.
"""

from prometheus_client import Counter, Gauge, Histogram

_SECOND_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_REQUEST_LABELS = ("kind", "side", "channel")

# --- What happened to requests and trades ----------------------------------------------------------------------------

requests_accepted = Counter(
    "brokerage_requests_accepted",
    "Requests accepted: committed, and answered 202. Kind NEW is a new trade.",
    _REQUEST_LABELS,
)
requests_validated = Counter("brokerage_requests_validated", "Requests that passed validation.", _REQUEST_LABELS)
requests_booked = Counter(
    "brokerage_requests_booked", "Requests whose money or shares are blocked, ready for the exchange.", _REQUEST_LABELS
)
requests_sent = Counter(
    "brokerage_requests_sent", "Requests known to be at the exchange, by our note or by its report.", _REQUEST_LABELS
)
requests_rejected = Counter(
    "brokerage_requests_rejected",
    "Requests refused, by the broker or the exchange, by the code of the reason.",
    ("reason", *_REQUEST_LABELS),
)
requests_parked = Counter("brokerage_requests_parked", "Requests set aside for a person.", ("reason",))
requests_dispatched = Counter(
    "brokerage_requests_dispatched",
    "Requests handed to the workers; lease `later`: an earlier batch did not finish them.",
    ("stage", "lease"),
)
status_queries = Counter(
    "brokerage_status_queries",
    "Order status requests sent to the exchange, by why: a request is `unanswered`, or the trade is just `open`.",
    ("trade",),
)
trades_filled = Counter(
    "brokerage_trades_filled", "Trades that became filled. One raised afterwards counts again.", ("side", "channel")
)
executions = Counter("brokerage_executions", "Executions applied to the books.", ("side", "channel"))
messages_quarantined = Counter(
    "brokerage_messages_quarantined",
    "Messages from the exchange that were quarantined, by the code of the cause.",
    ("code",),
)

# --- How long it took, and how much at once --------------------------------------------------------------------------

stage_seconds = Histogram(
    "brokerage_stage_seconds",
    "Seconds from the stage before (RECEIVED: acceptance) to this stage.",
    ("stage",),
    buckets=_SECOND_BUCKETS,
)
accept_to_sent_seconds = Histogram(
    "brokerage_accept_to_sent_seconds",
    "Seconds from acceptance of a request to SENT.",
    ("kind",),
    buckets=_SECOND_BUCKETS,
)
sent_to_answered_seconds = Histogram(
    "brokerage_sent_to_answered_seconds",
    "Seconds from SENT to the request's outcome; 0 when the answer overtook our note.",
    ("kind",),
    buckets=_SECOND_BUCKETS,
)
accept_to_settled_seconds = Histogram(
    "brokerage_accept_to_settled_seconds",
    "Seconds from acceptance of a trade to the fill that completed it.",
    ("side",),
    buckets=(*_SECOND_BUCKETS, 600, 3600, 21_600),
)
batch_size = Histogram(
    "brokerage_batch_size",
    "Requests (apply: reports) done in one transaction or publish.",
    ("step",),
    buckets=_SIZE_BUCKETS,
)
publish_confirm_seconds = Histogram(
    "brokerage_publish_confirm_seconds",
    "Seconds from the first publish of a window to the broker's last confirm.",
    ("queue",),
    buckets=(0.001, 0.0025, *_SECOND_BUCKETS[:-3]),
)

# --- State, set by the process that last saw it change ---------------------------------------------------------------

exchange_link_up = Gauge(
    "brokerage_exchange_link_up",
    "1 if the exchange link works: exchange.orders for the last publish, exchange.reports for the consumer.",
    ("queue",),
    multiprocess_mode="mostrecent",
)
audit_discrepancies = Gauge(
    "brokerage_audit_discrepancies",
    "Discrepancies that the last audit of this scope (full, incremental) found.",
    ("scope",),
    multiprocess_mode="mostrecent",
)
audit_finished = Gauge(
    "brokerage_audit_finished_timestamp_seconds",
    "When the last audit of this scope finished.",
    ("scope",),
    multiprocess_mode="mostrecent",
)
audit_duration = Gauge(
    "brokerage_audit_duration_seconds",
    "How long the last audit of this scope took.",
    ("scope",),
    multiprocess_mode="mostrecent",
)

# --- State of the database, read at the scrape -----------------------------------------------------------------------

DATABASE_UP = "brokerage_database_up"

DATABASE_GAUGES = {
    DATABASE_UP: "1 if the database answered in time. If not, none of the gauges below is exported.",
    "brokerage_due_requests": "Requests whose next step is due and that no batch has leased.",
    "brokerage_oldest_due_seconds": "Age of the longest due of them.",
    "brokerage_unprocessed_requests": "Requests neither sent, nor answered, nor parked.",
    "brokerage_oldest_unprocessed_seconds": "Time since acceptance of the oldest of them.",
    "brokerage_unconfirmed_requests": "Requests sent that the exchange has not answered.",
    "brokerage_oldest_unconfirmed_seconds": "Time since SENT of the oldest of them.",
    "brokerage_parked_requests": "Requests that wait for a person.",
    "brokerage_reconciliation_breaks": "Trades about which the exchange and our records disagree.",
    "brokerage_quarantined_messages": "Messages from the exchange in quarantine.",
    "brokerage_waiting_revisions": "Busts and corrections whose execution has not arrived.",
    "brokerage_oldest_waiting_revision_seconds": "Time since the oldest of them arrived.",
    "brokerage_traders_in_debt": "Traders to whom the house has lent cash.",
    "brokerage_holdings_short": "Holdings for which the house has lent shares.",
}
