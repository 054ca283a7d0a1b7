"""Times as the API shows and takes them: RFC 3339, UTC."""

import re
from datetime import UTC, datetime
from typing import Any

from brokerage.api.fields import Text

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def rfc3339(moment: datetime | None) -> str | None:
    """Show a moment in UTC, with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


class Moment(Text):
    """A time with its offset, such as 2026-11-22T10:15:30Z."""

    default_error_messages = {"not_a_time": "Must be a time with an offset, such as 2026-11-22T10:15:30Z."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"most": 40, **options})

    def to_internal_value(self, data: Any) -> datetime:
        text = super().to_internal_value(data)
        if not _RFC3339.fullmatch(text):
            self.fail("not_a_time")
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("not_a_time")
