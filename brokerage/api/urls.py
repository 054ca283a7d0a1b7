"""Addresses of log-in and log-out, of the OpenAPI document and of its page."""

from django.urls import path

from brokerage.api import schema
from brokerage.api.docs import DocsView, SchemaView
from brokerage.api.sessions import LoginView, LogoutAllView, LogoutView

urlpatterns = [
    path("auth/login", schema.login(LoginView).as_view()),
    path("auth/logout", schema.logout(LogoutView).as_view()),
    path("auth/logout-all", schema.logout_all(LogoutAllView).as_view()),
    path("schema", schema.openapi_document(SchemaView).as_view()),
    path("docs", schema.docs_page(DocsView).as_view()),
]
