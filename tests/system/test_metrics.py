"""The metrics of a running stack: what each role shows is the sum over its children, and it is what happened."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from tests.system.outside import Outside

TRADES = 500
FILLED = 10
SENT = {"kind": "NEW", "side": "BUY", "channel": "MOBILE"}


def sample(outside: Outside, role: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels, on the page of `role`."""
    page = outside.http.get(outside.stack.description["metrics_urls"][role]).raise_for_status().text
    samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
    return sum(s.value for s in samples if s.name == f"brokerage_{name}" and labels.items() <= s.labels.items())


def by_child(outside: Outside, role: str, name: str) -> dict[str, float]:
    """The same, of each child by itself: what stands in its own file."""
    found = {}
    for file in sorted((outside.stack.var / "metrics" / role).glob("counter_*.db")):
        merged = MultiProcessCollector.merge([str(file)])
        found[Path(file).stem] = sum(s.value for m in merged for s in m.samples if s.name == f"brokerage_{name}")
    return found


def rise(look: Callable[[], float]) -> Callable[[], float]:
    before = look()
    return lambda: look() - before


def place_with(outside: Outside, trader: dict[str, str], number: int) -> int:
    """Over a connection of its own, so that the children of web share the calls."""
    body = {"symbol": "TEST", "side": "BUY", "quantity": 1, "price": "100.00", "client_reference": f"counted-{number}"}
    headers = outside.token(trader) | {"X-Channel": "MOBILE", "Connection": "close"}
    return outside.http.post("/api/v1/trades", json=body, headers=headers).status_code


def test_the_counters_add_up_while_two_children_of_each_role_served(outside: Outside) -> None:
    [trader] = outside.traders()
    accepted = rise(lambda: sample(outside, "web", "requests_accepted_total", **SENT))
    booked = rise(lambda: sample(outside, "worker", "requests_booked_total", **SENT))
    sent = rise(lambda: sample(outside, "worker", "requests_sent_total", **SENT))
    timed = rise(lambda: sample(outside, "worker", "accept_to_sent_seconds_count", kind="NEW"))
    dispatched = rise(lambda: sample(outside, "dispatcher", "requests_dispatched_total", lease="first"))
    children = {
        (role, name): by_child(outside, role, name)
        for role, name in (("web", "requests_accepted_total"), ("worker", "requests_booked_total"))
    }
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda number: place_with(outside, trader, number), range(TRADES)))
    assert answers == [202] * TRADES
    outside.wait(sent, lambda seen: seen >= TRADES)
    assert (accepted(), dispatched(), booked(), sent(), timed()) == (TRADES,) * 5
    for (role, name), before in children.items():
        rises = [after - before.get(child, 0) for child, after in by_child(outside, role, name).items()]
        assert len([rise for rise in rises if rise > 0]) >= 2, f"one child of {role} did it all: {rises}"
        assert sum(rises) == TRADES

    unconfirmed = outside.query("SELECT count(*) FROM trades_traderequest WHERE stage = 'SENT' AND outcome IS NULL")
    outside.wait(lambda: sample(outside, "web", "unconfirmed_requests"), lambda seen: seen == unconfirmed[0][0])
    fill_some_and_see_them(outside)


def fill_some_and_see_them(outside: Outside) -> None:
    filled = rise(lambda: sample(outside, "reports", "trades_filled_total", side="BUY", channel="MOBILE"))
    executions = rise(lambda: sample(outside, "reports", "executions_total", side="BUY", channel="MOBILE"))
    for order in outside.orders(TRADES)[:FILLED]:
        named = {name: order["Body"][name] for name in ("ClOrdID", "SecondaryClOrdID", "Symbol", "Side")}
        outside.report(named | {"ExecType": "F", "LastQty": "1", "LastPx": "100.00"})
    outside.wait(filled, lambda seen: seen >= FILLED)
    assert (filled(), executions()) == (FILLED, FILLED)
    assert sample(outside, "reports", "exchange_link_up", queue="exchange.reports") == 1
    assert sample(outside, "worker", "exchange_link_up", queue="exchange.orders") == 1
