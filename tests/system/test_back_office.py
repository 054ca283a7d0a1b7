"""The call centre at work, in a real browser: from what the caller says to the trade, its trader and its money."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from config.devstack.debian_tools import Browser
from config.devstack.demo_client import checked_json, log_in
from config.devstack.screenshots import log_in_to_back_office
from tests.running import RunningStack
from tests.system.outside import Outside

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.opened() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(20_000)
        yield page


@pytest.fixture
def trade(stack: RunningStack, outside: Outside) -> dict[str, Any]:
    """An order that an agent took from Alice on the phone; the exchange has executed four of ten."""
    web = stack.description["web_url"]
    agent, alice = log_in(web, "agent"), log_in(web, "alice")
    with closing(agent), closing(alice):
        order = {"symbol": "TEST", "side": "BUY", "quantity": 10, "price": "101.50"}
        order["trader_id"] = checked_json(alice.get("/wallet"))["trader_id"]
        placed = checked_json(agent.post("/trades", json=order, headers={"X-Channel": "CALL"}))
        [sent] = outside.orders(1)
        named = {name: sent["Body"][name] for name in ("ClOrdID", "Symbol", "Side")}
        outside.report(named | {"ExecType": "0", "OrdStatus": "0"})
        outside.report(named | {"ExecType": "F", "OrdStatus": "1", "LastQty": "4", "LastPx": "101.25"})
        path = f"/trades/{placed['trade_id']}"
        return outside.wait(lambda: checked_json(alice.get(path)), lambda seen: seen["filled_quantity"] == 4)


def test_an_agent_finds_a_trade_by_its_spoken_reference_and_follows_it(
    stack: RunningStack, page: Page, trade: dict[str, Any]
) -> None:
    log_in_to_back_office(page, stack.description["web_url"], "agent")
    spoken = trade["reference"].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    page.get_by_role("searchbox", name="Find a trade").fill(spoken)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name=trade["reference"]).click()

    expect(page.get_by_role("heading", name=f"Trade {trade['reference']}")).to_be_visible()
    told = page.locator("table.timeline").inner_text()
    for sentence in (
        "Order received by phone, by agent: buy 10 TEST at 101.50 or better, good for the day.",
        "Booked: 1,015.00 blocked.",
        "The order was sent to the exchange.",
        "The exchange accepted the order.",
        "Executed: bought 4 at 101.25.",
        "INR 405.00 paid, INR 406.00 of the hold freed",
        "4 TEST received",
        "◑ Partially filled",
    ):
        assert sentence in told

    page.get_by_role("link", name="Wallet", exact=True).click()
    expect(page.locator("#content")).to_contain_text("-405.00")
    page.get_by_role("link", name=re.compile(f"{trade['trade_id'][-8:]}$")).first.click()
    expect(page).to_have_url(re.compile(f"/admin/trades/trade/{trade['trade_id']}/change/"))
    page.get_by_role("link", name="Alice Mehta").click()
    expect(page.get_by_label("Phone")).to_have_value("+91 22 5550 0100")


def test_nothing_of_a_page_comes_from_elsewhere(stack: RunningStack, page: Page, trade: dict[str, Any]) -> None:
    """Every file of the pages is there and is ours, and no script fails."""
    web = stack.description["web_url"]
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(web) else wrong.append(request.url))
    page.on("response", lambda response: wrong.append(response.url) if response.status >= 400 else None)
    log_in_to_back_office(page, web, "agent")
    for path in ("/admin/trades/trade/", f"/admin/trades/trade/{trade['trade_id']}/change/"):
        page.goto(f"{web}{path}", wait_until="networkidle")
    assert wrong == []


def test_the_doors_of_the_back_office_are_shut_for_traders(stack: RunningStack) -> None:
    with httpx.Client(base_url=stack.description["web_url"], follow_redirects=False) as client:
        answered = client.get("/admin/trades/trade/")
    assert answered.status_code == 302
    assert answered.headers["Location"].startswith("/admin/login/")
