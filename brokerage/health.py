"""Is the process alive, and can it do its work?"""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse


def livez(request: HttpRequest) -> JsonResponse:
    """The process answers. Looks at nothing outside it: a missing database is no reason to restart the web."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers and has every migration; 503 otherwise, so that the balancer looks elsewhere."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "detail": "The database does not answer."}, status=503)
    if missing:
        return JsonResponse({"status": "unavailable", "detail": f"{len(missing)} migrations are missing."}, status=503)
    return JsonResponse({"status": "ok"})
