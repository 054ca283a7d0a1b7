"""What the exchange sent that could not be applied: to be read by staff. The bytes stay as they came."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brokerage.admin.base import DASH, ReadOnlyAdmin, day_of
from exchange.models import QuarantinedMessage


@admin.register(QuarantinedMessage)
class QuarantinedMessageAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "code", "detail", "queue", "message_type", "message_id"]
    list_filter = ["code", "queue", day_of("received_at")]
    search_fields = ["=message_id", "detail"]
    search_help_text = "The message's id (ExecID or ClOrdID, usually), or words of the detail"
    ordering = ["-id"]
    fields = [
        *["received_at", "code", "detail", "queue", "message_type", "message_id", "digest"],
        *["bytes_as_text", "where_it_failed"],
    ]

    @admin.display(description="message")
    def bytes_as_text(self, message: QuarantinedMessage) -> SafeString:
        """The bytes as text, whole: a click takes all of it, to be copied."""
        text = bytes(message.body).decode("utf-8", "backslashreplace")
        return format_html('<pre class="whole">{}</pre>', text)

    @admin.display(description="traceback")
    def where_it_failed(self, message: QuarantinedMessage) -> SafeString:
        return format_html('<pre class="whole">{}</pre>', message.traceback) if message.traceback else DASH
