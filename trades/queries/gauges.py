"""What waits and what is lent, read from the database: neither may go unseen."""

from django.db import connection

from brokerage.observability.gauges import Figures
from brokerage.observability.metrics import STANDING

# Each figure from its partial index or a table of nothing else: what waits or is lent is little, whatever there is.
_SQL = """
SELECT due.n, due.age, unprocessed.n, unprocessed.age, unconfirmed.n, unconfirmed.age, parked.n, desk.n,
       quarantined.n, revisions.n, revisions.age, indebted.n, short.n
FROM (SELECT count(*) AS n, extract(epoch FROM now() - min(due_at)) AS age
      FROM trades_traderequest WHERE due_at <= now()) AS due,
     (SELECT count(*) AS n, extract(epoch FROM now() - min(created_at)) AS age
      FROM trades_traderequest WHERE NOT stage = 'SENT' AND outcome IS NULL AND parked IS NULL) AS unprocessed,
     (SELECT count(*) AS n, extract(epoch FROM now() - min(sent_at)) AS age
      FROM trades_traderequest WHERE stage = 'SENT' AND outcome IS NULL) AS unconfirmed,
     (SELECT count(*) AS n FROM trades_traderequest WHERE parked IS NOT NULL) AS parked,
     (SELECT count(*) AS n FROM trades_trade WHERE recon_break IS NOT NULL) AS desk,
     (SELECT count(*) AS n FROM exchange_quarantinedmessage) AS quarantined,
     (SELECT count(*) AS n, extract(epoch FROM now() - min(since)) AS age FROM trades_pendingrevision) AS revisions,
     (SELECT count(*) AS n FROM wallets_wallet WHERE debt > 0) AS indebted,
     (SELECT count(*) AS n FROM holdings_holding WHERE short > 0) AS short
"""


def figures() -> Figures:
    """How many wait for what, for how many seconds the oldest does, and who owes the house. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL)
        found = cursor.fetchone()
    _, *names = STANDING
    return {name: max(0.0, float(figure or 0)) for name, figure in zip(names, found, strict=True)}
