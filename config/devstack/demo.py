"""`make demo`: trades by a script on a fresh stack. Fails unless all trades end as expected and the books are clean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from config.devstack.demo_client import DemoClient, PlacedTrade
from config.devstack.demo_script import FINAL_BALANCES, SCRIPT
from config.devstack.process_specs import StackOptions, management_command
from config.devstack.stack import Stack, StopRequested

if TYPE_CHECKING:
    from pathlib import Path

PIPED_WIDTH = 120


def demo(var: Path) -> int:
    """Run the script and print the results; return 0 if all of them are as it expects."""
    try:
        with Stack.running(var, quiet=True, fresh=True) as stack:
            web = stack.start_processes(StackOptions(market_maker=False))
            stack.announce(f"Trading begins at {web.web}")
            return run_script(stack, web.web)
    except StopRequested:
        return 130


def run_script(stack: Stack, web_url: str) -> int:
    """Run every step, print trades and balances, and audit the books; return the exit code."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    client = DemoClient(web_url, FINAL_BALANCES)
    for step in SCRIPT:
        client.run(step)
    console.print(trades_table(list(client.placed.values())))
    console.print(
        balances_table({who: client.check_balance(who, expected) for who, expected in FINAL_BALANCES.items()})
    )
    audit = stack.run_once(management_command("audit_books", stack.env, "audit_books"))
    console.print(audit.strip(), markup=False, highlight=False)
    for mismatch in client.mismatches:
        console.print(f"NOT AS EXPECTED: {mismatch}", markup=False, highlight=False, style="bold red")
    if client.mismatches:
        return 1
    console.print(f"All {len(client.placed)} trades ended as expected, and the books are clean.", style="bold green")
    return 0


def trades_table(trades: list[PlacedTrade]) -> Table:
    """Return a table with one row per trade."""
    table = Table(title="Trades", title_justify="left", title_style="bold")
    for heading in ("Reference", "What", "Status"):
        table.add_column(heading, no_wrap=heading != "What")
    table.add_column("Filled", justify="right")
    table.add_column("Average price", justify="right")
    table.add_column("Reason")
    for placed in trades:
        trade = placed.trade
        table.add_row(
            trade["reference"],
            placed.what,
            trade["status"],
            f"{trade['filled_quantity']} of {trade['quantity']}",
            trade["average_price"] or "",
            trade["reason"]["code"] if trade["reason"] else "",
            style=None if placed.as_expected else "red",
        )
    return table


def balances_table(balances: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]) -> Table:
    """Return a table with the cash and shares of each trader, and what of them is blocked."""
    table = Table(title="Balances", title_justify="left", title_style="bold")
    table.add_column("Trader")
    table.add_column("What")
    for heading in ("Owned", "Blocked", "Available"):
        table.add_column(heading, justify="right")
    for who, (wallet, holdings) in balances.items():
        table.add_row(who, wallet["currency"], wallet["balance"], wallet["blocked"], wallet["available"])
        for row in holdings:
            table.add_row("", row["symbol"], *(str(row[part]) for part in ("quantity", "blocked", "available")))
    return table
