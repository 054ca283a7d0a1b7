"""The template tag of the admin's first page: cards of what waits, for how long, and who owes the house.

The library is registered in settings.TEMPLATES.
"""

from dataclasses import dataclass
from typing import Any

from django import template
from django.conf import settings
from django.template import Context
from django.urls import reverse

from brokerage.money import grouped
from brokerage.observability.gauges import GaugeValues
from trades.queries import gauges
from trades.queries.descriptions import format_duration

register = template.Library()

UNCONFIRMED_AFTER_S = settings.PIPELINE["UNCONFIRMED_AFTER_S"]
REVISION_WAIT_S = 60.0
"""How long a bust or a correction may wait for its execution; the alert RevisionsWaiting has the same."""


@dataclass(frozen=True, slots=True)
class CardSpec:
    """A gauge, and the list of the admin that shows what it counts."""

    title: str
    meaning: str
    count_gauge: str
    model: str
    """As "app_model", of the list that the card links to."""
    query: str = ""
    age_gauge: str = ""
    """Of the oldest that is counted; without one, any count at all raises the alarm."""
    max_age_s: float = 0.0

    @property
    def permission(self) -> str:
        app, _, model = self.model.partition("_")
        return f"{app}.view_{model}"


CARDS = (
    CardSpec(
        "On their way",
        "accepted, and not yet sent or refused",
        "brokerage_unprocessed_requests",
        "trades_trade",
        "?waits=unprocessed",
        "brokerage_oldest_unprocessed_seconds",
        UNCONFIRMED_AFTER_S,
    ),
    CardSpec(
        "Unanswered",
        "sent, and the exchange has not answered",
        "brokerage_unconfirmed_requests",
        "trades_trade",
        "?waits=unanswered",
        "brokerage_oldest_unconfirmed_seconds",
        UNCONFIRMED_AFTER_S,
    ),
    CardSpec(
        "Parked",
        "set aside for a person to look at",
        "brokerage_parked_requests",
        "trades_trade",
        "?waits=parked",
    ),
    CardSpec(
        "Reconciliation breaks",
        "trades about which the exchange and our records disagree",
        "brokerage_reconciliation_breaks",
        "trades_trade",
        "?waits=break",
    ),
    CardSpec(
        "Early corrections",
        "busts and corrections whose execution has not arrived",
        "brokerage_waiting_revisions",
        "trades_trade",
        "?waits=execution",
        "brokerage_oldest_waiting_revision_seconds",
        REVISION_WAIT_S,
    ),
    CardSpec(
        "In debt",
        "traders to whom the house has lent cash",
        "brokerage_traders_in_debt",
        "wallets_wallet",
        "?owes=cash",
    ),
    CardSpec(
        "Short",
        "holdings for which the house has lent shares",
        "brokerage_holdings_short",
        "holdings_holding",
        "?owes=shares",
    ),
    CardSpec(
        "Quarantined",
        "messages from the exchange that could not be applied",
        "brokerage_quarantined_messages",
        "exchange_quarantinedmessage",
    ),
)


@register.inclusion_tag("admin/trades/index_cards.html", takes_context=True)
def index_cards(context: Context) -> dict[str, Any]:
    """Show the database gauges, in one statement: each to those who may open its list."""
    values = gauges.read()
    return {"cards": [_card(spec, values) for spec in CARDS if context["user"].has_perm(spec.permission)]}


def _card(spec: CardSpec, values: GaugeValues) -> dict[str, Any]:
    count = values[spec.count_gauge]
    age = values[spec.age_gauge] if spec.age_gauge else 0.0
    return {
        "title": spec.title,
        "meaning": spec.meaning,
        "count": grouped(int(count)),
        "oldest": format_duration(age) if age else "",
        "alarming": count > 0 and age >= spec.max_age_s,
        "url": reverse(f"admin:{spec.model}_changelist") + spec.query,
    }
