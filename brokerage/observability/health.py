"""The health endpoints: is the process alive, and can it do its work?"""

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse


class _Migrations:
    """Counts the migrations that the database lacks; once it lacked none, no further query is made."""

    complete = False

    def missing(self) -> int:
        if self.complete:
            return 0
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        self.complete = not missing
        return missing


migrations = _Migrations()


def livez(request: HttpRequest) -> JsonResponse:
    """Answer 200 without any I/O: a missing database is no reason to restart the web."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database answers and has every migration, else 503: the load balancer goes elsewhere."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        missing = migrations.missing()
    except Error:
        return _unavailable("The database does not answer.")
    return _unavailable(f"{missing} migrations are missing.") if missing else JsonResponse({"status": "ok"})


def _unavailable(detail: str) -> JsonResponse:
    return JsonResponse({"status": "unavailable", "detail": detail}, status=503, headers={"Retry-After": "2"})
