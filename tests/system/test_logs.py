"""The logs of a running stack: a trade can be followed through all of them, and they tell nothing of the person."""

import re
from typing import Any

from tests.system.outside import Outside

LINE = re.compile(r"^\S+Z \[(?P<level>\w+) *\] (?P<event>\S+) .*? (?P<pairs>\w+=.*)$")
ROLES = ("web", "dispatcher", "worker", "reports")


def lines_about(outside: Outside, role: str, trade_id: str) -> list[dict[str, str]]:
    found = []
    for text in (outside.stack.var / "log" / f"{role}.log").read_text().splitlines():
        if trade_id in text:
            line = LINE.match(text)
            assert line, text
            found.append({"event": line["event"]} | dict(re.findall(r"(\w+)=(\S+)", line["pairs"])))
    return found


def ids(order: dict[str, Any]) -> dict[str, str]:
    return {name: order["Body"][name] for name in ("ClOrdID", "SecondaryClOrdID", "Symbol", "Side")}


def test_a_trade_is_followed_from_call_to_fill(outside: Outside) -> None:
    [alice] = outside.traders()
    answer = outside.place(alice)
    trade = answer.json()
    [order] = outside.orders(1)
    outside.report(ids(order) | {"ExecType": "0"})
    outside.report(ids(order) | {"ExecType": "F", "LastQty": "10", "LastPx": "100.00"})
    outside.wait_for_status(alice, trade["trade_id"], "FILLED")
    keys = {
        "trade_id": trade["trade_id"],
        "request_id": trade["requests"][0]["request_id"],
        "trader_id": str(alice["trader_id"]),
    }
    # The last lines are written after the commit that shows the trade filled.
    outside.wait(lambda: len(lines_about(outside, "reports", trade["trade_id"])), lambda count: count == 2)
    outside.wait(lambda: len(lines_about(outside, "worker", trade["trade_id"])), lambda count: count == 3)
    told = {role: lines_about(outside, role, trade["trade_id"]) for role in ROLES}
    for role in ROLES:
        for line in told[role]:
            assert line.items() >= keys.items(), (role, line)
    assert [line["step"] for role in ROLES for line in told[role]] == [
        "accept",
        "dispatch",
        "validate",
        "book",
        "send",
        "apply",
        "apply",
    ]
    assert told["web"][0]["http_request_id"] == answer.headers["X-Request-Id"]


def test_nothing_secret_or_personal_is_in_any_log(outside: Outside) -> None:
    [trader] = outside.traders()
    password = "quite-a-secret-password"
    for username, given in (("alice", "demo"), ("alice", password), (password, "demo")):
        login = outside.http.post("/api/v1/auth/login", json={"username": username, "password": given})
        if login.status_code == 200:
            alice = login.json()
    reference = "reference-of-a-client"
    outside.place(trader, client_reference=reference)
    outside.http.post("/api/v1/trades", content=b"not JSON", headers=outside.token(alice))
    [order] = outside.orders(1)
    words = "words-of-the-exchange"
    outside.report(ids(order) | {"ExecType": "8", "Text": words})
    outside.report(f"{words}".encode())
    outside.wait_for_status(trader, order["Body"]["SecondaryClOrdID"], "REJECTED")

    names = {name for (name,) in outside.query("SELECT name FROM brokerage_trader")}
    phones = {phone for (phone,) in outside.query("SELECT phone FROM brokerage_trader WHERE phone <> ''")}
    secrets = set(outside.stack.secrets.values())
    forbidden = names | phones | secrets | {trader["token"], alice["token"], password, reference, words}
    assert names
    assert secrets
    for log in sorted((outside.stack.var / "log").glob("*.log")):
        text = log.read_text()
        leaked = [secret for secret in forbidden if re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", text)]
        assert not leaked, f"{log.name}: {leaked}"
