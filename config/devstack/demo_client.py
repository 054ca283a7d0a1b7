"""Runs the demo's script over HTTP, as any client would, and notes what did not come as expected."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from config.devstack.demo_script import Balance, Expected
from config.devstack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from config.devstack.demo_script import Step

PASSWORD = "demo"  # noqa: S105 - of the demo users, which exist in development only
STEP_TIMEOUT_S = 20


@dataclass
class PlacedTrade:
    """A trade of the script: its trader, what was requested in words, and the API's last answer about it."""

    who: str
    what: str
    trade: dict[str, Any]
    as_expected: bool = True


class DemoClient:
    """A session for each trader, and the trades placed so far by their names in the script."""

    def __init__(self, web_url: str, traders: Iterable[str]) -> None:
        self.placed: dict[str, PlacedTrade] = {}
        self.mismatches: list[str] = []
        self._sessions = {name: log_in(web_url, name) for name in traders}

    def run(self, step: Step) -> None:
        """Do what the step says, then wait until every trade it names is as expected."""
        placed = self._request(step)
        for name, expected in step.then.items():
            trade = self._await_trade(name, expected, until_answered=placed if name == step.trade else None)
            actual = Expected.of(trade)
            if actual != expected:
                self.placed[name].as_expected = False
                self.mismatches.append(f"{self.placed[name].what}: expected {expected}; came {actual}")

    def check_balance(self, who: str, expected: Balance) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the trader's wallet and holdings, after comparing them with what the script expects."""
        wallet = self._call(who, "GET", "/wallet")
        holdings = self._call(who, "GET", "/holdings")["results"]
        actual = Balance(
            wallet["balance"],
            wallet["blocked"],
            {row["symbol"]: (row["quantity"], row["blocked"]) for row in holdings if row["quantity"]},
        )
        if actual != expected:
            self.mismatches.append(f"{who} in the end: expected {expected}; came {actual}")
        return wallet, holdings

    def _request(self, step: Step) -> dict[str, Any]:
        if step.place is not None:
            body = {**step.place, "client_reference": f"demo-{step.trade}"}
            trade = self._call(step.who, "POST", "/trades", json=body)
            verb = "buys" if body["side"] == "BUY" else "sells"
            what = f"{step.who} {verb} {body['quantity']} {body['symbol']} at {body['price']}"
            self.placed[step.trade] = PlacedTrade(step.who, what, trade)
            return trade
        placed = self.placed[step.trade]
        path = f"/trades/{placed.trade['trade_id']}"
        if step.amend is not None:
            placed.what += f" → {step.amend['quantity']} at {step.amend['price']}"
            return self._call(step.who, "PATCH", path, json=dict(step.amend))
        placed.what += " → cancels"
        return self._call(step.who, "DELETE", path)

    def _await_trade(
        self, name: str, expected: Expected, *, until_answered: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the trade once it is as expected and its latest request has an outcome, or once time is up."""
        placed = self.placed[name]
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while True:
            placed.trade = self._call(placed.who, "GET", f"/trades/{placed.trade['trade_id']}")
            answered = until_answered is None or placed.trade["requests"][-1]["outcome"] is not None
            if (answered and Expected.of(placed.trade) == expected) or time.monotonic() > deadline:
                return placed.trade
            time.sleep(0.05)

    def _call(self, who: str, method: str, path: str, **options: Any) -> dict[str, Any]:
        return checked_json(self._sessions[who].request(method, path, **options))


def log_in(web_url: str, username: str) -> httpx.Client:
    """Return a session of one of the demo's users."""
    # A proxy of the environment has no business on loopback.
    session = httpx.Client(base_url=f"{web_url}/api/v1", trust_env=False, timeout=15)
    body = checked_json(session.post("/auth/login", json={"username": username, "password": PASSWORD}))
    session.headers["Authorization"] = f"Token {body['token']}"
    return session


def checked_json(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of a response; an error becomes a StackError that names the call."""
    if response.is_error:
        call = f"{response.request.method} {response.request.url.path}"
        raise StackError(f"{call} was answered {response.status_code}: {response.text[:1000]}")
    content: dict[str, Any] = response.json()
    return content
