"""The admin of quarantined messages, read-only."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brokerage.admin.base import EMPTY_VALUE, ReadOnlyAdmin, day_filter
from exchange.models import QuarantinedMessage


@admin.register(QuarantinedMessage)
class QuarantinedMessageAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "code", "detail", "queue", "message_type", "message_id"]
    list_filter = ["code", "queue", day_filter("received_at")]
    search_fields = ["=message_id", "detail"]
    search_help_text = "The message's id (ExecID or ClOrdID, usually), or words of the detail"
    ordering = ["-id"]
    fields = [
        *["received_at", "code", "detail", "queue", "message_type", "message_id", "digest"],
        *["body_text", "traceback_text"],
    ]

    @admin.display(description="message")
    def body_text(self, message: QuarantinedMessage) -> SafeString:
        """Return the whole body as text; one click selects all of it, to be copied."""
        text = bytes(message.body).decode("utf-8", "backslashreplace")
        return format_html('<pre class="whole">{}</pre>', text)

    @admin.display(description="traceback")
    def traceback_text(self, message: QuarantinedMessage) -> SafeString:
        return format_html('<pre class="whole">{}</pre>', message.traceback) if message.traceback else EMPTY_VALUE
