"""Addresses of log-in and log-out, and of the API's description."""

from django.urls import path

from brokerage.api import schema
from brokerage.api.documentation import DescriptionView, PageView
from brokerage.api.sessions import Login, Logout, LogoutAll

urlpatterns = [
    path("auth/login", schema.login(Login).as_view()),
    path("auth/logout", schema.logout(Logout).as_view()),
    path("auth/logout-all", schema.logout_all(LogoutAll).as_view()),
    path("schema", schema.description(DescriptionView).as_view()),
    path("docs", schema.page(PageView).as_view()),
]
