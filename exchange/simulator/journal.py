"""The exchange's journal: a SQLite file in which each batch of requests and all that follows from it is one commit."""

import fcntl
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from exchange.fix.wire import body_text
from exchange.simulator.orders import ClientOrder

_SCHEMA = """
CREATE TABLE IF NOT EXISTS journal (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, cl_ord_id TEXT NOT NULL UNIQUE, chain TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS requests_chain ON requests (chain, number);
CREATE TABLE IF NOT EXISTS orders (
    key TEXT PRIMARY KEY, order_id TEXT NOT NULL, cl_ord_id TEXT NOT NULL, trade_ref TEXT, account TEXT NOT NULL,
    symbol TEXT NOT NULL, side TEXT NOT NULL, price TEXT NOT NULL, quantity INTEGER NOT NULL,
    time_in_force TEXT NOT NULL, filled INTEGER NOT NULL, ended TEXT NOT NULL, ord_rej_reason TEXT NOT NULL,
    priority INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_open ON orders (priority) WHERE ended = '' AND filled < quantity;
CREATE TABLE IF NOT EXISTS reports (
    number INTEGER PRIMARY KEY, chain TEXT NOT NULL, msg_type TEXT NOT NULL, message_id TEXT NOT NULL,
    body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS reports_chain ON reports (chain, number);
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY, report INTEGER REFERENCES reports, status TEXT, ord_status_req_id TEXT,
    poss_resend INTEGER NOT NULL, CHECK ((report IS NULL) <> (status IS NULL)));
CREATE INDEX IF NOT EXISTS outbox_answers ON outbox (ord_status_req_id) WHERE ord_status_req_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS quarantine (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, detail TEXT NOT NULL, body BLOB NOT NULL);
DROP VIEW IF EXISTS executions;
CREATE VIEW executions AS SELECT
    body ->> '$.ExecID' AS exec_id, body ->> '$.ClOrdID' AS cl_ord_id, body ->> '$.SecondaryClOrdID' AS trade_ref,
    body ->> '$.Symbol' AS symbol, body ->> '$.Side' AS side, CAST(body ->> '$.LastQty' AS INTEGER) AS quantity,
    body ->> '$.LastPx' AS price FROM reports version
    WHERE msg_type = '8' AND body ->> '$.ExecType' IN ('F', 'G') AND NOT EXISTS (
        SELECT 1 FROM reports later
        WHERE later.chain = version.chain AND later.body ->> '$.ExecRefID' = version.body ->> '$.ExecID');
"""
_SAVE = "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

JournalError = sqlite3.OperationalError
"""The file cannot be written now: nothing of the transaction is kept."""


class JournalInUse(RuntimeError):  # noqa: N818  (a state of the file)
    """Another exchange process holds this journal."""


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that has yet to be published, with its place in the outbox."""

    number: int
    msg_type: str
    message_id: str
    body: str
    """JSON."""
    poss_resend: int


class Journal:
    """Opens or creates the journal at `path`; raises JournalInUse while another process has it open.

    Reads and writes belong inside `transaction`. A report is written together with its place in the outbox, and leaves
    the outbox only when it was published: a process that dies in between sends it again, marked as such.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = path.with_name(path.name + ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise JournalInUse(f"{path} is in use by another exchange process") from None
        # No implicit transactions: they begin and end where it is written. Timers has its tables in the same file.
        self.db = self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        with self.transaction():
            if not self._db.execute("SELECT 1 FROM journal").fetchone():
                self._db.execute("INSERT INTO journal VALUES (?)", (secrets.token_hex(5),))
        self.id: str = self._db.execute("SELECT id FROM journal").fetchone()[0]
        """A part of every id given out: a new journal never repeats the ids of a lost one."""

    def close(self) -> None:
        self._db.close()
        self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything to disk at the end, or roll all of it back."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def add_request(self, *, cl_ord_id: str, chain: str, body: bytes) -> bool:
        """Record that a request came; False when its ClOrdID was known already."""
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO requests (cl_ord_id, chain, body) VALUES (?, ?, ?)", (cl_ord_id, chain, body)
        )
        return cursor.rowcount == 1

    def chain_of(self, cl_ord_id: str | None) -> str | None:
        """Return the chain that a known request belongs to."""
        row = self._db.execute("SELECT chain FROM requests WHERE cl_ord_id = ?", (cl_ord_id,)).fetchone()
        return row[0] if row else None

    def latest_request(self, chain: str) -> str:
        """Return the ClOrdID of the chain's request that came last."""
        query = "SELECT cl_ord_id FROM requests WHERE chain = ? ORDER BY number DESC LIMIT 1"
        latest: str = self._db.execute(query, (chain,)).fetchone()[0]
        return latest

    def save(self, orders: Iterable[ClientOrder]) -> None:
        """Write the orders as they are now."""
        self._db.executemany(_SAVE, map(_row, orders))

    def order(self, key: str) -> ClientOrder | None:
        """Return the order with this key, open or not."""
        row = self._db.execute("SELECT * FROM orders WHERE key = ?", (key,)).fetchone()
        return _order(row) if row else None

    def open_orders(self) -> Iterator[ClientOrder]:
        """Yield the orders that rest in a book, in the order of their priority."""
        query = "SELECT * FROM orders WHERE ended = '' AND filled < quantity ORDER BY priority"
        return map(_order, self._db.execute(query))

    def counters(self) -> tuple[int, int]:
        """Return the highest number of a report, and the highest priority, given out so far."""
        reports, priority = self._db.execute(
            "SELECT (SELECT coalesce(max(number), 0) FROM reports), (SELECT coalesce(max(priority), 0) FROM orders)"
        ).fetchone()
        return reports, priority

    def add_report(self, *, number: int, chain: str, msg_type: str, message_id: str, body: dict[str, str]) -> None:
        """Add a report; it stays for ever."""
        self._db.execute(
            "INSERT INTO reports VALUES (?, ?, ?, ?, ?)", (number, chain, msg_type, message_id, body_text(body))
        )

    def enqueue(self, report: int) -> None:
        """Put a report at the end of the outbox."""
        self._db.execute("INSERT INTO outbox (report, poss_resend) VALUES (?, 0)", (report,))

    def version(self, report: int) -> dict[str, str] | None:
        """Return the body of this execution; None when it was corrected or busted since."""
        query = (
            "SELECT body FROM reports version WHERE number = ? AND NOT EXISTS (SELECT 1 FROM reports later"
            " WHERE later.chain = version.chain AND later.body ->> '$.ExecRefID' = version.body ->> '$.ExecID')"
        )
        row = self._db.execute(query, (report,)).fetchone()
        body: dict[str, str] | None = json.loads(row[0]) if row else None
        return body

    def has_status(self, ord_status_req_id: str) -> bool:
        """Tell whether the answer to this status request is still in the outbox."""
        query = "SELECT 1 FROM outbox WHERE ord_status_req_id = ?"
        return self._db.execute(query, (ord_status_req_id,)).fetchone() is not None

    def enqueue_status(self, *, chain: str | None, body: dict[str, str], ord_status_req_id: str | None) -> None:
        """Put all reports of the chain into the outbox again, in their first order, and then the status `body`."""
        if chain is not None:
            self._db.execute(
                "INSERT INTO outbox (report, poss_resend)"
                " SELECT number, 1 FROM reports WHERE chain = ? ORDER BY number",
                (chain,),
            )
        self._db.execute(
            "INSERT INTO outbox (status, ord_status_req_id, poss_resend) VALUES (?, ?, 0)",
            (body_text(body), ord_status_req_id),
        )

    def unpublished(self, limit: int) -> list[OutboxMessage]:
        """Return the next messages to publish."""
        query = (
            "SELECT o.number, coalesce(msg_type, '8'), coalesce(message_id, '0'), coalesce(body, status), poss_resend"
            " FROM outbox o LEFT JOIN reports r ON r.number = o.report ORDER BY o.number LIMIT ?"
        )
        return [OutboxMessage(*row) for row in self._db.execute(query, (limit,))]

    def mark_published(self, up_to: int) -> None:
        """Remove the messages up to this number from the outbox."""
        self._db.execute("DELETE FROM outbox WHERE number <= ?", (up_to,))

    def mark_possibly_sent(self) -> None:
        """Mark all of the outbox PossResend: any of it may have gone out already."""
        self._db.execute("UPDATE outbox SET poss_resend = 1 WHERE poss_resend = 0")

    def quarantine(self, *, body: bytes, detail: str, now: datetime) -> None:
        """Store a message that cannot be answered."""
        self._db.execute("INSERT INTO quarantine (at, detail, body) VALUES (?, ?, ?)", (now.isoformat(), detail, body))


def _row(order: ClientOrder) -> tuple[str | int | None, ...]:
    """Return the columns of the table, in their order."""
    return (
        order.key,
        order.order_id,
        order.cl_ord_id,
        order.trade_ref,
        order.account,
        order.symbol,
        order.side,
        str(order.price),
        order.quantity,
        order.time_in_force,
        order.filled,
        order.ended,
        order.ord_rej_reason,
        order.priority,
    )


def _order(row: sqlite3.Row) -> ClientOrder:
    return ClientOrder(**(dict(row) | {"price": Decimal(row["price"])}))
