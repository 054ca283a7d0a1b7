"""`make demo`: a scripted day on a fresh stack. Succeeds only if all trades end as expected and the books are clean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from config.devstack import process_specs
from config.devstack.demo_client import Placed, Player
from config.devstack.demo_script import DAY, EVENING
from config.devstack.stack import Stack, Stopped

if TYPE_CHECKING:
    from pathlib import Path

PIPED_WIDTH = 120


def demo(var: Path) -> int:
    """Run the day and show it; 0 if all of it came as the script expects."""
    try:
        with Stack.running(var, quiet=True, fresh=True) as stack:
            web = stack.start_processes(process_specs.Choice(market_maker=False))
            stack.say(f"The day begins at {web.web}")
            return run_day(stack, web.web)
    except Stopped:
        return 130


def run_day(stack: Stack, web_url: str) -> int:
    """Play every step, show trades and balances, and audit the books."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    player = Player(web_url, EVENING)
    for step in DAY:
        player.play(step)
    console.print(trades_table(list(player.placed.values())))
    console.print(balances_table({who: player.check_balance(who, expected) for who, expected in EVENING.items()}))
    audit = stack.run_once(process_specs.command("audit_books", stack.env, "audit_books"))
    console.print(audit.strip(), markup=False, highlight=False)
    for surprise in player.surprises:
        console.print(f"NOT AS EXPECTED: {surprise}", markup=False, highlight=False, style="bold red")
    if player.surprises:
        return 1
    console.print(f"All {len(player.placed)} trades ended as expected, and the books are clean.", style="bold green")
    return 0


def trades_table(trades: list[Placed]) -> Table:
    """One row per trade."""
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
    """Cash and shares of each trader, and what of them is blocked."""
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
