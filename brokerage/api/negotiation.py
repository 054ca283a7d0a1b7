"""What we answer is JSON, whatever `Accept` says."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AlwaysJSON(DefaultContentNegotiation):
    """Picks the one renderer there is: nobody is refused for an `Accept` header, as RFC 9110 (12.5.1) allows."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, Any]:
        first, *_ = renderers
        return first, first.media_type
