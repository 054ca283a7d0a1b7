"""The id of a status query, OrdStatusReqID (790): what the answer to it may prove travels in it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from trades.models import TradeRequest

MAX_LENGTH = 128
"""Characters of an OrdStatusReqID, as of any id on the link."""

_FORM = re.compile(r"(?P<id>[0-9a-f]{32})(?P<leases>(-[0-9]{1,9}\.[0-9]{1,9})*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """One status query, as its id carries it to the exchange and back: so nothing of it is stored.

    The answer may be that a request never arrived. It may be so old that the request was sent meanwhile. So the id
    says about which requests the answer means anything, those which nobody was sending when it was asked, each with
    the number of its last lease: whoever sends a request takes another lease first.
    """

    id: UUID
    leases: Mapping[int, int]
    """The lease by the number of the request within its trade."""

    @classmethod
    def about(cls, rows: Iterable[TradeRequest]) -> "StatusQuery":
        """Return a fresh query that covers these requests, which nobody is sending; the next one has room for more."""
        query = cls(uuid7(), {})
        for row in rows:
            longer = cls(query.id, {**query.leases, row.seq: row.lease})
            if len(str(longer)) > MAX_LENGTH:
                break
            query = longer
        return query

    @classmethod
    def parse(cls, text: str | None) -> "StatusQuery | None":
        """Read an OrdStatusReqID that came back; None if it is none of ours."""
        found = _FORM.fullmatch(text or "")
        if not found:
            return None
        pairs = (pair.split(".") for pair in found["leases"].split("-") if pair)
        return cls(UUID(found["id"]), {int(seq): int(lease) for seq, lease in pairs})

    def __str__(self) -> str:
        return "-".join((self.id.hex, *(f"{seq}.{lease}" for seq, lease in self.leases.items())))

    def covers(self, row: TradeRequest) -> bool:
        """Tell whether nothing was sent for the request since this was asked."""
        return self.leases.get(row.seq) == row.lease
