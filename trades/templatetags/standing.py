"""How things stand, on the first page of the back office: what waits and for how long, and who owes the house."""

from dataclasses import dataclass
from typing import Any

from django import template
from django.conf import settings
from django.template import Context
from django.urls import reverse

from brokerage.money import grouped
from trades.queries import gauges
from trades.queries.descriptions import lasting

register = template.Library()

REVISION_PATIENCE = 60.0
"""Seconds that a bust or a correction may wait for its execution; the alert RevisionsWaiting has the same."""


@dataclass(frozen=True, slots=True)
class Card:
    """One figure: how many there are, how old the oldest is, and the list that shows them."""

    name: str
    meaning: str
    count: str
    oldest: str
    alarming: bool
    address: str


@register.inclusion_tag("admin/trades/standing.html", takes_context=True)
def standing(context: Context) -> dict[str, Any]:
    """Read the figures that the metrics show, too: one statement. Each for those who may open its list."""
    figures = gauges.figures()
    trades, messages = reverse("admin:trades_trade_changelist"), reverse("admin:exchange_quarantinedmessage_changelist")
    patience = settings.PIPELINE["UNCONFIRMED_AFTER_S"]

    def card(name: str, meaning: str, count: str, oldest: str | None, patience: float, address: str) -> Card:
        age = figures[oldest] if oldest else 0.0
        alarming = figures[count] > 0 and age >= patience
        return Card(name, meaning, grouped(int(figures[count])), lasting(age) if age else "", alarming, address)

    cards = [
        card(
            "On their way",
            "accepted, and not yet sent or refused",
            "brokerage_unprocessed_requests",
            "brokerage_oldest_unprocessed_seconds",
            patience,
            f"{trades}?waits=unprocessed",
        ),
        card(
            "Unanswered",
            "sent, and the exchange has not answered",
            "brokerage_unconfirmed_requests",
            "brokerage_oldest_unconfirmed_seconds",
            patience,
            f"{trades}?waits=unanswered",
        ),
        card(
            "Parked",
            "set aside for a person to look at",
            "brokerage_parked_requests",
            None,
            0,
            f"{trades}?waits=parked",
        ),
        card(
            "On the desk",
            "the exchange says something else than is written here",
            "brokerage_reconciliation_breaks",
            None,
            0,
            f"{trades}?waits=desk",
        ),
        card(
            "Early corrections",
            "busts and corrections whose execution has not come",
            "brokerage_waiting_revisions",
            "brokerage_oldest_waiting_revision_seconds",
            REVISION_PATIENCE,
            f"{trades}?waits=execution",
        ),
        card(
            "In debt",
            "traders to whom the house has lent cash",
            "brokerage_traders_in_debt",
            None,
            0,
            f"{reverse('admin:wallets_wallet_changelist')}?owes=cash",
        ),
        card(
            "Short",
            "holdings for which the house has lent shares",
            "brokerage_holdings_short",
            None,
            0,
            f"{reverse('admin:holdings_holding_changelist')}?owes=shares",
        ),
    ]
    if context["user"].has_perm("exchange.view_quarantinedmessage"):
        meaning = "messages of the exchange that could not be applied"
        cards.append(card("Quarantined", meaning, "brokerage_quarantined_messages", None, 0, messages))
    return {"cards": cards}
