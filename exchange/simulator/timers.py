"""What the exchange has yet to do: reports held back, and events to come. Tables of the journal's file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from exchange.simulator.faults import Action
from exchange.simulator.journal import Journal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
    number INTEGER PRIMARY KEY, report INTEGER NOT NULL REFERENCES reports, chain TEXT NOT NULL, due REAL NOT NULL,
    after_report INTEGER, for_fill INTEGER NOT NULL, poss_resend INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS planned (
    number INTEGER PRIMARY KEY, due REAL NOT NULL, action TEXT NOT NULL, key TEXT NOT NULL, report INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Planned:
    """An event to come. `key`: the order's, or a symbol; `report`: the number of the execution it is about."""

    action: Action
    key: str
    report: int | None


class Agenda:
    """What is asked and written belongs inside the journal's transaction."""

    def __init__(self, journal: Journal) -> None:
        self._db = journal.db
        self._db.executescript(_SCHEMA)

    def hold(
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
            "INSERT INTO held (report, chain, due, after_report, for_fill, poss_resend) VALUES (?, ?, ?, ?, ?, ?)",
            (report, chain, due, after_report, for_fill, poss_resend),
        )

    def release_after(self, report: int, filled_chain: str | None) -> None:
        """Line up what waited for this report; with `filled_chain`, also what waited for a fill of that order."""
        self._release("after_report <= ? OR (for_fill AND chain = ?)", report, filled_chain)

    def release_due(self, now: datetime) -> None:
        self._release("due <= ?", now.timestamp())

    def forget(self, chain: str) -> None:
        """All reports of this order go out again: nothing of them is held back any more."""
        self._db.execute("DELETE FROM held WHERE chain = ?", (chain,))

    def plan(self, action: Action, key: str, *, now: datetime, seconds: float, report: int | None = None) -> None:
        """Enter an event to come."""
        due = (now + timedelta(seconds=seconds)).timestamp()
        self._db.execute(
            "INSERT INTO planned (due, action, key, report) VALUES (?, ?, ?, ?)", (due, action, key, report)
        )

    def is_halted(self, symbol: str) -> bool:
        """Tell whether the share's return to trading is still to come."""
        query = "SELECT 1 FROM planned WHERE action = ? AND key = ?"
        return self._db.execute(query, (Action.RESUME, symbol)).fetchone() is not None

    def has_due(self, now: datetime) -> bool:
        """Tell whether anything waits that should be done now. Needs no transaction."""
        query = "SELECT min(due) FROM (SELECT min(due) AS due FROM held UNION ALL SELECT min(due) FROM planned)"
        (due,) = self._db.execute(query).fetchone()
        return due is not None and due <= now.timestamp()

    def take_due(self, now: datetime) -> Iterator[Planned]:
        """Take the events that are due out of the agenda, the oldest first."""
        query = "SELECT number, action, key, report FROM planned WHERE due <= ? ORDER BY due, number"
        for number, action, key, report in self._db.execute(query, (now.timestamp(),)).fetchall():
            self._db.execute("DELETE FROM planned WHERE number = ?", (number,))
            yield Planned(Action(action), key, report)

    def _release(self, which: str, *values: object) -> None:
        rows = self._db.execute(
            f"SELECT number, report, poss_resend FROM held WHERE {which} ORDER BY number",  # noqa: S608  (constants)
            values,
        ).fetchall()
        for number, report, poss_resend in rows:
            self._db.execute("INSERT INTO outbox (report, poss_resend) VALUES (?, ?)", (report, poss_resend))
            self._db.execute("DELETE FROM held WHERE number = ?", (number,))
