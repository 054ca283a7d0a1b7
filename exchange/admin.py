"""What the exchange sent that could not be applied: to be read by staff. The bytes stay as they came."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from exchange.models import QuarantinedMessage


@admin.register(QuarantinedMessage)
class QuarantinedMessageAdmin(admin.ModelAdmin):
    list_display = ["received_at", "code", "detail", "queue", "message_type", "message_id"]
    list_filter = ["code", "queue"]
    search_fields = ["=message_id", "detail"]
    ordering = ["-id"]
    exclude = ["body"]
    readonly_fields = ["bytes_as_text"]

    @admin.display(description="Message")
    def bytes_as_text(self, message: QuarantinedMessage) -> str:
        return bytes(message.body).decode("utf-8", "backslashreplace")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
