"""Badges: the status of a trade as a coloured label."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from trades.lifecycle import Status

# A sign beside the word and the colour: statuses differ in black and white, too.
SIGNS = {
    Status.RECEIVED: "○",
    Status.VALIDATED: "○",
    Status.BOOKED: "○",
    Status.PENDING_NEW: "…",
    Status.NEW: "▷",
    Status.PARTIALLY_FILLED: "◑",
    Status.FILLED: "●",
    Status.PENDING_REPLACE: "…",
    Status.PENDING_CANCEL: "…",
    Status.CANCELED: "✕",
    Status.EXPIRED: "✕",
    Status.REJECTED: "⊘",
    Status.DONE_FOR_DAY: "☾",
    Status.SUSPENDED: "‖",
}


def badge(status: str) -> SafeString:
    """Return a status as a coloured label with its sign."""
    label = status.replace("_", " ").capitalize()
    return format_html('<span class="status status-{}">{} {}</span>', status.lower(), SIGNS[Status(status)], label)
