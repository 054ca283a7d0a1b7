"""Read the gauges of what waits and what is lent: neither may go unseen."""

from django.db import connection

from brokerage.observability.gauges import GaugeValues
from brokerage.observability.metrics import DATABASE_GAUGES

# Each value comes from a partial index or a small table: few rows wait or are lent, however many trades there are.
_SQL = """
SELECT due.n, due.age, unprocessed.n, unprocessed.age, unconfirmed.n, unconfirmed.age, parked.n, breaks.n,
       quarantined.n, revisions.n, revisions.age, indebted.n, short.n
FROM (SELECT count(*) AS n, extract(epoch FROM brokerage_now() - min(due_at)) AS age
      FROM trades_traderequest WHERE due_at <= brokerage_now()) AS due,
     (SELECT count(*) AS n, extract(epoch FROM brokerage_now() - min(created_at)) AS age
      FROM trades_traderequest WHERE NOT stage = 'SENT' AND outcome IS NULL AND parked IS NULL) AS unprocessed,
     (SELECT count(*) AS n, extract(epoch FROM brokerage_now() - min(sent_at)) AS age
      FROM trades_traderequest WHERE stage = 'SENT' AND outcome IS NULL) AS unconfirmed,
     (SELECT count(*) AS n FROM trades_traderequest WHERE parked IS NOT NULL) AS parked,
     (SELECT count(*) AS n FROM trades_trade WHERE recon_break IS NOT NULL) AS breaks,
     (SELECT count(*) AS n FROM exchange_quarantinedmessage) AS quarantined,
     (SELECT count(*) AS n, extract(epoch FROM brokerage_now() - min(since)) AS age
      FROM trades_pendingrevision) AS revisions,
     (SELECT count(*) AS n FROM wallets_wallet WHERE debt > 0) AS indebted,
     (SELECT count(*) AS n FROM holdings_holding WHERE short > 0) AS short
"""


def read() -> GaugeValues:
    """Return the value of each database gauge but `DATABASE_UP`, by its name, in one statement. Ages are in seconds."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL)
        row = cursor.fetchone()
    _, *names = DATABASE_GAUGES
    return {name: max(0.0, float(value or 0)) for name, value in zip(names, row, strict=True)}
