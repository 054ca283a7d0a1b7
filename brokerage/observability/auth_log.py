"""Log every log-in and log-out with the user's number and the outcome: never a name, a password or a token."""

from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

log = structlog.get_logger(__name__)


def log_login(user_id: int) -> None:
    log.info("login", outcome="accepted", user_id=user_id)


def log_logout(user_id: int) -> None:
    log.info("logout", user_id=user_id)


def connect_receivers() -> None:
    """Receive Django's own signals: log-ins to the back office, and every one that failed."""
    user_logged_in.connect(_logged_in)
    user_logged_out.connect(_logged_out)
    user_login_failed.connect(_login_failed)


def _logged_in(user: Any, **_: Any) -> None:
    log_login(user.pk)


def _logged_out(user: Any, **_: Any) -> None:
    if user is not None:
        log_logout(user.pk)


def _login_failed(credentials: dict[str, Any], **_: Any) -> None:
    """Log the number of the user who was named. What was typed as the name may be a password: it is not logged."""
    user_id = get_user_model().objects.filter(username=credentials.get("username")).values_list("pk", flat=True).first()
    log.warning("login", outcome="refused", user_id=user_id)
