"""Steady load on a running stack: `python -m tests.load --rate 28 --seconds 60 --kill worker,web`.

Places trades over HTTP at a fixed rate whatever the answers (open loop), each with its own `client_reference`, and
asks again with the same one when the web does not answer, as a careful client does. Then waits until the exchange has
answered every trade, reads the latencies from the database, and audits the books. Exit 1 if anything is missing,
doubled or discrepant.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg

ROOT = Path(__file__).resolve().parent.parent
UNANSWERED = ("RECEIVED", "VALIDATED", "BOOKED", "PENDING_NEW")
PATIENCE = 90.0  # seconds for the exchange's answers after the last trade


def main() -> int:
    options = _options()
    stack = Path(options.stack)
    traders = _seed(stack, options.traders)
    url = json.loads(stack.read_text())["web_url"]
    total, run = int(options.rate * options.seconds), f"load-{time.time_ns()}"
    print(f"{total} trades, {options.rate:g} a second, to {url}", flush=True)
    load = _Load(url, traders, run)
    killer = threading.Thread(target=_kill, args=(stack, options.kill, options.seconds), daemon=True)
    killer.start()
    load.place(total, options.rate)
    killer.join()
    took = _wait_until_answered(stack, run, total)
    return _show(stack, load, run, total, took)


class _Load:
    """An open loop of clients: trade number n is placed at its time, however slow the others are."""

    def __init__(self, url: str, traders: list[dict[str, Any]], run: str) -> None:
        self._url, self._traders, self._run = url, traders, run
        self._dice = random.Random(1)
        self._client = httpx.Client(base_url=url, timeout=5, limits=httpx.Limits(max_connections=64))
        self.latencies: list[float] = []
        self.answers: Counter[str] = Counter()

    def place(self, total: int, rate: float) -> None:
        begin = time.monotonic()
        with ThreadPoolExecutor(64) as pool:
            for number in range(total):
                time.sleep(max(0.0, begin + number / rate - time.monotonic()))
                pool.submit(self._one, number, self._dice.choice(("BUY", "SELL")), self._dice.randint(95, 105))

    def _one(self, number: int, side: str, price: int) -> None:
        trader = self._traders[number % len(self._traders)]
        trade = {"symbol": "TEST", "side": side, "quantity": 1 + number % 20, "price": f"{price}.00"}
        body = trade | {"client_reference": f"{self._run}-{number}"}
        for attempt in range(60):
            begin = time.perf_counter()
            try:
                answer = self._client.post(
                    "/api/v1/trades", json=body, headers={"Authorization": f"Token {trader['token']}"}
                )
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
            else:
                self.answers[str(answer.status_code)] += 1
                if answer.status_code == 202:
                    if attempt == 0:
                        self.latencies.append(time.perf_counter() - begin)
                    return
            time.sleep(0.25)


def _seed(stack: Path, count: int) -> list[dict[str, Any]]:
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as file:
        _manage(
            stack, "seed_traders", str(count), "--cash", "100000000", "--holding", "TEST=1000000", "--output", file.name
        )
        return [json.loads(line) for line in file]


def _manage(stack: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=os.environ | {"STACK": str(stack)}, check=False, text=True, capture_output=True)


def _kill(stack: Path, names: list[str], seconds: float) -> None:
    """SIGKILL each named process in turn, spread over the run."""
    for name in names:
        time.sleep(seconds / (len(names) + 1))
        pid = json.loads(stack.read_text())["processes"][name]
        print(f"kill -9 {name} ({pid})", flush=True)
        os.kill(pid, signal.SIGKILL)


def _wait_until_answered(stack: Path, run: str, total: int) -> float:
    begin = time.monotonic()
    while time.monotonic() - begin < PATIENCE:
        [(trades, waiting)] = _query(
            stack,
            "SELECT count(*), count(*) FILTER (WHERE status = ANY(%s)) FROM trades_trade"
            " WHERE client_reference LIKE %s",
            [list(UNANSWERED), f"{run}-%"],
        )
        if trades == total and not waiting:
            break
        time.sleep(0.25)
    return time.monotonic() - begin


def _show(stack: Path, load: _Load, run: str, total: int, took: float) -> int:
    like = f"{run}-%"
    statuses = dict(
        _query(
            stack,
            "SELECT status, count(*) FROM trades_trade WHERE client_reference LIKE %s GROUP BY 1 ORDER BY 1",
            [like],
        )
    )
    [(distinct, parked)] = _query(
        stack,
        "SELECT count(DISTINCT t.client_reference), count(r.parked) FROM trades_trade t"
        " JOIN trades_traderequest r ON r.trade_id = t.id WHERE t.client_reference LIKE %s",
        [like],
    )
    waits = [
        float(wait)
        for (wait,) in _query(
            stack,
            "SELECT extract(epoch FROM r.sent_at - r.created_at) FROM trades_traderequest r"
            " JOIN trades_trade t ON t.id = r.trade_id WHERE t.client_reference LIKE %s AND r.sent_at IS NOT NULL",
            [like],
        )
    ]
    audit = _manage(stack, "audit_books")
    trades, unanswered = sum(statuses.values()), sum(statuses.get(status, 0) for status in UNANSWERED)
    print(f"answers          {dict(load.answers)}")
    print(f"trades           {trades} of {total}, {distinct} different, {parked} parked, {unanswered} unanswered")
    print(f"statuses         {statuses}")
    print(f"accept           {_percentiles(load.latencies)}")
    print(f"accept to sent   {_percentiles(waits)}")
    print(f"last answer      {took:.1f} s after the last trade")
    print(f"audit            {audit.stdout.strip() or audit.stderr.strip()}")
    same = _same_as_the_exchange(stack)
    right = trades == distinct == total and not unanswered and not parked and audit.returncode == 0 and same
    print("all accounted for" if right else "NOT all accounted for")
    return 0 if right else 1


def _same_as_the_exchange(stack: Path) -> bool:
    """Compare our executions with the simulator's own journal, one by one; nothing to compare with without one."""
    journal = stack.with_name("exchange.sqlite3")
    if not journal.exists():
        return True
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as exchange:
        theirs = {
            (exec_id, quantity, Decimal(price))
            for exec_id, quantity, price in exchange.execute("SELECT exec_id, quantity, price FROM executions")
        }
    ours = set(_query(stack, "SELECT exec_id, quantity, price FROM trades_execution", []))
    print(f"executions       {len(theirs)} at the exchange, {len(ours)} in the books, {len(theirs ^ ours)} differ")
    return theirs == ours


def _percentiles(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    shown = {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in _SHARES.items()}
    return ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in shown.items())


_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def _query(stack: Path, sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    """Ask the database, which may be restarting."""
    while True:
        try:
            with psycopg.connect(json.loads(stack.read_text())["database_url"], connect_timeout=3) as connection:
                return connection.execute(sql, parameters).fetchall()
        except psycopg.OperationalError:
            time.sleep(0.5)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=28, help="trades a second (default 28: 100,000 an hour)")
    parser.add_argument("--seconds", type=float, default=60, help="for how long (default 60)")
    parser.add_argument("--traders", type=int, default=50, help="how many traders place them (default 50)")
    parser.add_argument(
        "--kill", type=lambda text: text.split(","), default=[], help="processes to kill -9 meanwhile: worker,web,…"
    )
    parser.add_argument("--stack", default=str(ROOT / "var" / "stack.json"), help="the stack's stack.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
