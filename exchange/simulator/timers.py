"""What the exchange has yet to do: reports held back and events to come, in tables of the journal's file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from exchange.simulator.faults import Action
from exchange.simulator.journal import Journal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held_reports (
    number INTEGER PRIMARY KEY, report INTEGER NOT NULL REFERENCES reports, chain TEXT NOT NULL, due REAL NOT NULL,
    after_report INTEGER, for_fill INTEGER NOT NULL, poss_resend INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS timers (
    number INTEGER PRIMARY KEY, due REAL NOT NULL, action TEXT NOT NULL, key TEXT NOT NULL, report INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Timer:
    """An event to come. `key` is an order's, or a symbol; `report` is the number of the execution it is about."""

    action: Action
    key: str
    report: int | None


class Timers:
    """Must be called inside the journal's transaction, but for `has_due`."""

    def __init__(self, journal: Journal) -> None:
        self._db = journal.db
        self._db.executescript(_SCHEMA)

    def hold_back(
        self,
        report: int,
        chain: str,
        *,
        now: datetime,
        seconds: float,
        after_report: int | None = None,
        for_fill: bool = False,
        poss_resend: bool = False,
    ) -> None:
        """Hold a report back for so long, or until the report `after_report`, or a fill of its order, has gone out."""
        due = (now + timedelta(seconds=seconds)).timestamp()
        self._db.execute(
            "INSERT INTO held_reports (report, chain, due, after_report, for_fill, poss_resend)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (report, chain, due, after_report, for_fill, poss_resend),
        )

    def release_after(self, report: int, filled_chain: str | None) -> None:
        """Enqueue what waited for this report; with `filled_chain`, also what waited for a fill of that order."""
        self._release("after_report <= ? OR (for_fill AND chain = ?)", report, filled_chain)

    def release_due(self, now: datetime) -> None:
        """Enqueue the reports that were held back until now."""
        self._release("due <= ?", now.timestamp())

    def forget_held(self, chain: str) -> None:
        """Hold back nothing of this order any more: all of its reports go out again."""
        self._db.execute("DELETE FROM held_reports WHERE chain = ?", (chain,))

    def schedule(self, action: Action, key: str, *, now: datetime, seconds: float, report: int | None = None) -> None:
        """Set a timer that is due in so many seconds."""
        due = (now + timedelta(seconds=seconds)).timestamp()
        self._db.execute(
            "INSERT INTO timers (due, action, key, report) VALUES (?, ?, ?, ?)", (due, action, key, report)
        )

    def is_halted(self, symbol: str) -> bool:
        """Tell whether the instrument's return to trading is still to come."""
        query = "SELECT 1 FROM timers WHERE action = ? AND key = ?"
        return self._db.execute(query, (Action.RESUME, symbol)).fetchone() is not None

    def has_due(self, now: datetime) -> bool:
        """Tell whether anything is due. Needs no transaction."""
        query = "SELECT min(due) FROM (SELECT min(due) AS due FROM held_reports UNION ALL SELECT min(due) FROM timers)"
        (due,) = self._db.execute(query).fetchone()
        return due is not None and due <= now.timestamp()

    def pop_due(self, now: datetime) -> Iterator[Timer]:
        """Remove and yield the timers that are due, the oldest first."""
        query = "SELECT number, action, key, report FROM timers WHERE due <= ? ORDER BY due, number"
        for number, action, key, report in self._db.execute(query, (now.timestamp(),)).fetchall():
            self._db.execute("DELETE FROM timers WHERE number = ?", (number,))
            yield Timer(Action(action), key, report)

    def _release(self, condition: str, *values: object) -> None:
        rows = self._db.execute(
            f"SELECT number, report, poss_resend FROM held_reports WHERE {condition} ORDER BY number",  # noqa: S608  (constants)
            values,
        ).fetchall()
        for number, report, poss_resend in rows:
            self._db.execute("INSERT INTO outbox (report, poss_resend) VALUES (?, ?)", (report, poss_resend))
            self._db.execute("DELETE FROM held_reports WHERE number = ?", (number,))
