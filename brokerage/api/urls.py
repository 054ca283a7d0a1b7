"""Addresses of log-in and log-out."""

from django.urls import path

from brokerage.api.sessions import Login, Logout, LogoutAll

urlpatterns = [
    path("auth/login", Login.as_view()),
    path("auth/logout", Logout.as_view()),
    path("auth/logout-all", LogoutAll.as_view()),
]
