"""How each report goes out: once and at once, unless a fault or a script will have it otherwise."""

from datetime import datetime

from exchange.fix.messages import ExecType, MsgType
from exchange.simulator.faults import Fault, Faults
from exchange.simulator.journal import Journal
from exchange.simulator.scripts import Script
from exchange.simulator.timers import Agenda

_ACKS = (ExecType.NEW, ExecType.REPLACED)
_BEFORE_A_FILL = (*_ACKS, ExecType.PENDING_NEW, ExecType.PENDING_REPLACE)
FILL_PATIENCE = 2.0
"""Seconds that a report waits for a fill to go first."""


class Delivery:
    """Keeps each report in the journal, for ever and in the order in which it happened, and lines it up to go out."""

    def __init__(self, journal: Journal, agenda: Agenda, faults: Faults) -> None:
        self._journal = journal
        self._agenda = agenda
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
        self._journal.keep_report(number=number, chain=chain, msg_type=msg_type, message_id=message_id, body=body)
        if not (self._faults or script):
            self._journal.line_up(number)
            return
        exec_type = body.get("ExecType", "")
        if not self._is_lost(number, exec_type, script):
            self._line_up(number, chain, exec_type, script, now)
        self._agenda.release_after(number, chain if exec_type == ExecType.TRADE else None)

    def _is_lost(self, number: int, exec_type: str, script: Script | None) -> bool:
        """It is in the journal only, until the exchange is asked."""
        unheard = script is Script.NEVER_ACKNOWLEDGED and exec_type in _ACKS
        return unheard or self._faults.hits(Fault.DROPS, number)

    def _line_up(self, number: int, chain: str, exec_type: str, script: Script | None, now: datetime) -> None:
        faults = self._faults
        if self._waits_for_a_fill(number, exec_type, script):
            self._agenda.hold(number, chain, now=now, seconds=FILL_PATIENCE, for_fill=True)
        elif faults.hits(Fault.DELAYS, number):
            self._agenda.hold(number, chain, now=now, seconds=faults.between(Fault.DELAYS, number, 0.2, 3.0))
        elif faults.hits(Fault.REORDERED, number):
            others = round(faults.between(Fault.REORDERED, number, 1, 4))
            self._agenda.hold(number, chain, now=now, seconds=1.0, after_report=number + others)
        else:
            self._journal.line_up(number)
        if script is Script.TWICE:
            self._journal.line_up(number)
        if faults.hits(Fault.DUPLICATES, number):
            later = faults.between(Fault.DUPLICATES, number, 0.0, 2.0)
            self._agenda.hold(number, chain, now=now, seconds=later, after_report=number + 1, poss_resend=later < 1.0)

    def _waits_for_a_fill(self, number: int, exec_type: str, script: Script | None) -> bool:
        if exec_type in _ACKS and (script is Script.LATE_ACK or self._faults.hits(Fault.ACKS_LATE, number)):
            return True
        return exec_type in _BEFORE_A_FILL and self._faults.hits(Fault.FILLS_FIRST, number)
