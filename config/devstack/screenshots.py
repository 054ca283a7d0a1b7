"""`make screenshots`: the pictures in docs/images, of the pages as they are now, on a fresh stack of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from config.devstack import process_specs
from config.devstack.debian_programs import chromium
from config.devstack.demo_client import PASSWORD, answer, log_in
from config.devstack.errors import StackError
from config.devstack.paths import DOWNLOADS, ROOT
from config.devstack.stack import Stack, Stopped

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from playwright.sync_api import Page, ViewportSize

IMAGES = ROOT / "docs" / "images"
PAST = 600  # trades
SIZE: ViewportSize = {"width": 1400, "height": 900}
PATIENCE = 20.0  # seconds


def screenshots(var: Path) -> int:
    """Make trades, open the pages as staff would, and keep a picture of each."""
    try:
        with Stack.running(var, quiet=True, fresh=True) as stack:
            browser = chromium(DOWNLOADS["chromium"], say=stack.say)
            web = stack.start_processes(process_specs.Choice(market_maker=False)).web
            stack.say(f"Trades: inventing a past of {PAST} …")
            stack.run_once(process_specs.command("seed_trades", stack.env, "seed_trades", str(PAST)))
            trade_id = _trade_by_phone(web)
            IMAGES.mkdir(exist_ok=True)
            with browser.opened() as opened:
                page = opened.new_page(viewport=SIZE)
                log_in_to_back_office(page, web, "supervisor")
                _picture(page, "back-office", f"{web}/admin/")
                _picture(page, "trade-list", f"{web}/admin/trades/trade/")
                _picture(page, "trade-page", f"{web}/admin/trades/trade/{trade_id}/change/", whole=True)
                _picture(page, "api-page", f"{web}/api/v1/docs", ready=".opblock")
            stack.say(f"Pictures: {', '.join(sorted(file.name for file in IMAGES.glob('*.png')))} in {IMAGES}")
            return 0
    except Stopped:
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
    trader_id = answer(alice.get("/wallet"))["trader_id"]
    order = {"symbol": "TCS", "side": "BUY", "quantity": 10, "price": "3500.00", "trader_id": trader_id}
    path = f"/trades/{answer(agent.post('/trades', json=order))['trade_id']}"
    _wait_until(alice, path, status="NEW")
    _sell(bob, 4, "3490.00")
    _wait_until(alice, path, filled_quantity=4)
    answer(alice.patch(path, json={"quantity": 8, "price": "3510.00"}))
    _wait_until(alice, path, quantity=8)
    _sell(bob, 2, "3500.00")
    return str(_wait_until(alice, path, filled_quantity=6)["trade_id"])


def _sell(trader: httpx.Client, quantity: int, price: str) -> None:
    answer(trader.post("/trades", json={"symbol": "TCS", "side": "SELL", "quantity": quantity, "price": price}))


def _wait_until(trader: httpx.Client, path: str, **wanted: Any) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        trade = answer(trader.get(path))
        if all(trade[name] == value for name, value in wanted.items()):
            return trade
        if time.monotonic() > deadline:
            raise StackError(f"the trade did not come to {wanted}; it stands at {trade['status']}")
        time.sleep(0.1)


def _picture(page: Page, name: str, address: str, *, whole: bool = False, ready: str = "#content") -> None:
    page.goto(address, wait_until="networkidle")
    page.locator(ready).first.wait_for()
    page.screenshot(path=IMAGES / f"{name}.png", full_page=whole)
