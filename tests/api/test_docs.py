"""The OpenAPI document is served as a file, and as a page that needs no other host."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Page, Route
from rest_framework.test import APIClient

from brokerage.models import Trader
from config.devstack.debian_tools import Browser
from tests.api.openapi import document

ROOT = Path(__file__).resolve().parents[2]


class TestServing:
    def test_is_the_file_in_the_docs(self, stranger: APIClient) -> None:
        response = stranger.get("/api/v1/schema")
        assert (response.status_code, response["Content-Type"]) == (200, "application/yaml; charset=utf-8")
        assert response.content == (ROOT / "docs/openapi.yaml").read_bytes()

    @pytest.mark.parametrize(
        ("query", "accept", "form"),
        [
            ("", "*/*", "yaml"),
            ("", "text/html", "yaml"),
            ("", "application/json", "json"),
            ("", "application/json;q=0.5, application/yaml", "yaml"),
            ("?format=json", "application/yaml", "json"),
            ("?format=yaml", "application/json", "yaml"),
        ],
    )
    def test_comes_in_the_form_asked_for(self, stranger: APIClient, query: str, accept: str, form: str) -> None:
        response = stranger.get(f"/api/v1/schema{query}", headers={"Accept": accept})
        assert response["Content-Type"] == f"application/{form}; charset=utf-8"
        read = yaml.safe_load(response.content) if form == "yaml" else json.loads(response.content)
        assert read == document()

    def test_comes_in_no_other_form(self, stranger: APIClient) -> None:
        assert stranger.get("/api/v1/schema?format=xml").json()["errors"][0]["code"] == "NOT_LISTED"


class TestThePage:
    def test_refers_to_no_other_host_and_runs_files_only(self, stranger: APIClient) -> None:
        response = stranger.get("/api/v1/docs")
        assert response["Content-Type"].startswith("text/html")
        page = response.content.decode()
        assert "//" not in re.sub(r"<!DOCTYPE.*?>", "", page)
        assert re.findall(r"<script(?![^>]* src=)", page) == []
        assert re.findall(r"<style|style=|\son\w+=", page) == []
        policy = response["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "http" not in policy

    def test_has_its_files_from_us(self, stranger: APIClient) -> None:
        page = stranger.get("/api/v1/docs").content.decode()
        files = re.findall(r'(?:src|href)="(/[^"]+)"', page)
        assert len(files) == 4
        for file in files:
            assert stranger.get(file).status_code == 200

    def test_sends_the_document_to_nobody(self) -> None:
        script = (ROOT / "brokerage/static/brokerage/docs.js").read_text()
        assert "validatorUrl: null" in script
        assert re.search(r"https?:", script) is None

    def test_lets_somebody_log_in_and_call_without_any_other_host(
        self, live_server: Any, alice: Trader, chromium: Browser
    ) -> None:
        alice.user.set_password("demo")
        alice.user.save()
        foreign_urls, complaints = [], []

        def let_pass(route: Route) -> None:
            if route.request.url.startswith((live_server.url, "data:")):
                route.continue_()
            else:
                foreign_urls.append(route.request.url)
                route.abort()

        with chromium.opened() as browser:
            page = browser.new_page()
            page.set_default_timeout(60_000)  # the script of the page is large, and the machine may be busy
            page.route("**/*", let_pass)
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(f"{live_server.url}/api/v1/docs")
            assert "100000.00" not in _call(page, "Money-getWallet", status="401")
            assert "expires_at" in _call(page, "Session-logIn", status="200")
            assert "100000.00" in _call(page, "Money-getWallet", status="200")
        assert foreign_urls == []
        assert [text for text in complaints if "401" not in text] == []


def _call(page: Page, operation: str, *, status: str) -> str:
    """Make a call as it stands on the page, and return what the page shows of the response."""
    block = page.locator(f"#operations-{operation}")
    if not block.locator("button.execute").is_visible():
        block.locator("button.opblock-summary-control").click()
    block.locator("button.execute").click()
    block.locator(".live-responses-table .response-col_status", has_text=status).wait_for()
    return block.locator(".live-responses-table").inner_text()
