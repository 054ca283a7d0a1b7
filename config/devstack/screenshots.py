"""`make screenshots`: writes docs/images, the pages as they are now, from a fresh stack of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from config.devstack.debian_tools import chromium
from config.devstack.demo_client import PASSWORD, checked_json, log_in
from config.devstack.errors import StackError
from config.devstack.paths import DOWNLOADS, ROOT
from config.devstack.process_specs import StackOptions, management_command
from config.devstack.stack import Stack, StopRequested

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from playwright.sync_api import Page, ViewportSize

IMAGES = ROOT / "docs" / "images"
PAST_TRADES = 600
SIZE: ViewportSize = {"width": 1400, "height": 900}
TRADE_TIMEOUT_S = 20.0


def screenshots(var: Path) -> int:
    """Make trades, open the pages as staff would, and write a screenshot of each."""
    try:
        with Stack.running(var, quiet=True, fresh=True) as stack:
            browser = chromium(DOWNLOADS["chromium"], announce=stack.announce)
            web = stack.start_processes(StackOptions(market_maker=False)).web
            stack.announce(f"Trades: making a history of {PAST_TRADES} …")
            stack.run_once(management_command("seed_trades", stack.env, "seed_trades", str(PAST_TRADES)))
            trade_id = _trade_by_phone(web)
            IMAGES.mkdir(exist_ok=True)
            with browser.opened() as opened:
                page = opened.new_page(viewport=SIZE)
                log_in_to_back_office(page, web, "supervisor")
                _take_screenshot(page, "back-office", f"{web}/admin/")
                _take_screenshot(page, "trade-list", f"{web}/admin/trades/trade/")
                _take_screenshot(page, "trade-page", f"{web}/admin/trades/trade/{trade_id}/change/", whole=True)
                _take_screenshot(page, "api-page", f"{web}/api/v1/docs", ready=".opblock")
            stack.announce(f"Screenshots: {', '.join(sorted(file.name for file in IMAGES.glob('*.png')))} in {IMAGES}")
            return 0
    except StopRequested:
        return 130


def log_in_to_back_office(page: Page, web_url: str, username: str) -> None:
    """Log in as a member of the demo's staff."""
    page.goto(f"{web_url}/admin/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Call-centre and operations").wait_for()


def _trade_by_phone(web_url: str) -> str:
    """An order taken on the phone, filled in part, changed from the app, and filled further; returns its id."""
    agent, alice, bob = (log_in(web_url, name) for name in ("agent", "alice", "bob"))
    agent.headers["X-Channel"], alice.headers["X-Channel"] = "CALL", "MOBILE"
    trader_id = checked_json(alice.get("/wallet"))["trader_id"]
    order = {"symbol": "TCS", "side": "BUY", "quantity": 10, "price": "3500.00", "trader_id": trader_id}
    path = f"/trades/{checked_json(agent.post('/trades', json=order))['trade_id']}"
    _wait_until(alice, path, status="NEW")
    _sell(bob, 4, "3490.00")
    _wait_until(alice, path, filled_quantity=4)
    checked_json(alice.patch(path, json={"quantity": 8, "price": "3510.00"}))
    _wait_until(alice, path, quantity=8)
    _sell(bob, 2, "3500.00")
    return str(_wait_until(alice, path, filled_quantity=6)["trade_id"])


def _sell(trader: httpx.Client, quantity: int, price: str) -> None:
    checked_json(trader.post("/trades", json={"symbol": "TCS", "side": "SELL", "quantity": quantity, "price": price}))


def _wait_until(trader: httpx.Client, path: str, **expected: Any) -> dict[str, Any]:
    deadline = time.monotonic() + TRADE_TIMEOUT_S
    while True:
        trade = checked_json(trader.get(path))
        if all(trade[name] == value for name, value in expected.items()):
            return trade
        if time.monotonic() > deadline:
            raise StackError(f"the trade did not become {expected}; it is {trade['status']}")
        time.sleep(0.1)


def _take_screenshot(page: Page, name: str, address: str, *, whole: bool = False, ready: str = "#content") -> None:
    page.goto(address, wait_until="networkidle")
    page.locator(ready).first.wait_for()
    page.screenshot(path=IMAGES / f"{name}.png", full_page=whole)
