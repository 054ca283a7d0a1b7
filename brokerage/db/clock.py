"""The database's clock. Whatever is due is due by it: hosts may disagree about the time, and nobody waits for that.

Both read one SQL function, which the owner of the schema, and so a test, may replace; the runtime role may not.
"""

from datetime import datetime

from django.db import connection
from django.db.models import DateTimeField, Func


class DatabaseNow(Func):
    """The moment at which the statement began, for use in queries."""

    function = "brokerage_now"
    template = "%(function)s()"
    output_field = DateTimeField()


def now() -> datetime:
    """Return the database's time. One round trip."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT brokerage_now()")
        moment: datetime = cursor.fetchone()[0]
    return moment
