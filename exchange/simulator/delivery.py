"""How each report goes out: once and at once, unless a fault or a script will have it otherwise."""

from datetime import datetime

from exchange.fix.codes import ExecType, MsgType
from exchange.simulator.faults import Fault, Faults
from exchange.simulator.journal import Journal
from exchange.simulator.scripts import Script
from exchange.simulator.timers import Timers

_ACKS = (ExecType.NEW, ExecType.REPLACED)
_BEFORE_A_FILL = (*_ACKS, ExecType.PENDING_NEW, ExecType.PENDING_REPLACE)
FILL_WAIT_S = 2.0
"""How long a report waits for a fill to go first."""


class ReportDelivery:
    """Writes each report to the journal, in the order in which it happened, and decides when and how often it goes."""

    def __init__(self, journal: Journal, timers: Timers, faults: Faults) -> None:
        self._journal = journal
        self._timers = timers
        self._faults = faults

    def send(
        self,
        number: int,
        chain: str,
        msg_type: MsgType,
        message_id: str,
        body: dict[str, str],
        *,
        script: Script | None,
        now: datetime,
    ) -> None:
        """Add a report to the journal and enqueue it, hold it back or lose it. Inside the journal's transaction."""
        self._journal.add_report(number=number, chain=chain, msg_type=msg_type, message_id=message_id, body=body)
        if not (self._faults or script):
            self._journal.enqueue(number)
            return
        exec_type = body.get("ExecType", "")
        if not self._is_lost(number, exec_type, script):
            self._enqueue(number, chain, exec_type, script, now)
        self._timers.release_after(number, chain if exec_type == ExecType.TRADE else None)

    def _is_lost(self, number: int, exec_type: str, script: Script | None) -> bool:
        """Tell whether the report is in the journal only, until somebody requests the status of its order."""
        never_sent = script is Script.NEVER_ACKNOWLEDGED and exec_type in _ACKS
        return never_sent or self._faults.strikes(Fault.DROPS, number)

    def _enqueue(self, number: int, chain: str, exec_type: str, script: Script | None, now: datetime) -> None:
        faults = self._faults
        if self._waits_for_a_fill(number, exec_type, script):
            self._timers.hold_back(number, chain, now=now, seconds=FILL_WAIT_S, for_fill=True)
        elif faults.strikes(Fault.DELAYS, number):
            self._timers.hold_back(number, chain, now=now, seconds=faults.between(Fault.DELAYS, number, 0.2, 3.0))
        elif faults.strikes(Fault.REORDERED, number):
            others = round(faults.between(Fault.REORDERED, number, 1, 4))
            self._timers.hold_back(number, chain, now=now, seconds=1.0, after_report=number + others)
        else:
            self._journal.enqueue(number)
        if script is Script.TWICE:
            self._journal.enqueue(number)
        if faults.strikes(Fault.DUPLICATES, number):
            delay = faults.between(Fault.DUPLICATES, number, 0.0, 2.0)
            self._timers.hold_back(
                number, chain, now=now, seconds=delay, after_report=number + 1, poss_resend=delay < 1.0
            )

    def _waits_for_a_fill(self, number: int, exec_type: str, script: Script | None) -> bool:
        if exec_type in _ACKS and (script is Script.LATE_ACK or self._faults.strikes(Fault.ACKS_LATE, number)):
            return True
        return exec_type in _BEFORE_A_FILL and self._faults.strikes(Fault.FILLS_FIRST, number)
