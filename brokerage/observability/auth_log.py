"""Every log-in leaves a line with the user's number and the outcome: never a name, a password or a token."""

from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

log = structlog.get_logger(__name__)


def tell_logged_in(user_id: int) -> None:
    log.info("login", outcome="accepted", user_id=user_id)


def tell_logged_out(user_id: int) -> None:
    log.info("logout", user_id=user_id)


def listen() -> None:
    """Hear of Django's own log-ins, those of the back office, and of every one that failed."""
    user_logged_in.connect(_logged_in)
    user_logged_out.connect(_logged_out)
    user_login_failed.connect(_failed)


def _logged_in(user: Any, **_: Any) -> None:
    tell_logged_in(user.pk)


def _logged_out(user: Any, **_: Any) -> None:
    if user is not None:
        tell_logged_out(user.pk)


def _failed(credentials: dict[str, Any], **_: Any) -> None:
    """What was typed as the name may be a password: it is looked up, not logged."""
    user_id = get_user_model().objects.filter(username=credentials.get("username")).values_list("pk", flat=True).first()
    log.warning("login", outcome="refused", user_id=user_id)
