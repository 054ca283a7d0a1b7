"""Every URL."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from knox.models import AuthToken

from brokerage.observability import health, prometheus
from brokerage.observability.gauges import DatabaseGauges
from trades.queries import gauges

admin.site.site_header = admin.site.site_title = "Brokerage back office"
admin.site.index_title = "Call-centre and operations"
admin.site.site_url = None  # there is no other site to link to
admin.site.enable_nav_sidebar = False  # lists of trades and of money need the width
admin.site.unregister(AuthToken)  # a token made by hand could not be shown to anybody; nobody needs its digest

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("api/v1/", include("brokerage.api.urls")),
    path("api/v1/", include("wallets.api.urls")),
    path("api/v1/", include("holdings.api.urls")),
    path("api/v1/", include("trades.api.urls")),
    path("admin/", admin.site.urls),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", prometheus.metrics_view(DatabaseGauges(gauges.read)), name="metrics"),
]

handler400 = "brokerage.api.problems.bad_request"
handler404 = "brokerage.api.problems.not_found"
handler500 = "brokerage.api.problems.server_error"
