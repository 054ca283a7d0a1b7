"""How processes start. `celery -A config` finds the Celery application here."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
