"""The doors to a trader's cash: what it is now, and how it came about."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from brokerage.api.authentication import resolve_trader_id
from brokerage.api.pagination import JournalQuery, paginate
from brokerage.api.serializers import TraderQuery, rfc3339
from brokerage.money import plain
from wallets import selectors
from wallets.models import Wallet, WalletEntry


class WalletView(APIView):
    """GET: the wallet."""

    def get(self, request: Request) -> Response:
        query = TraderQuery.read_query(request)
        wallet = selectors.wallet_of(resolve_trader_id(request.user, query.get("trader_id")))
        return Response(serialize_wallet(wallet))


class WalletEntriesView(APIView):
    """GET: a page of its journal, newest first."""

    def get(self, request: Request) -> Response:
        query = JournalQuery.read_query(request)
        entries = selectors.entries_of(resolve_trader_id(request.user, query.pop("trader_id", None)))
        return Response(paginate(request, entries, serialize_entry, **query))


def serialize_wallet(wallet: Wallet) -> dict[str, Any]:
    return {
        "trader_id": wallet.trader_id,
        "currency": wallet.currency,
        "balance": plain(wallet.balance),
        "blocked": plain(wallet.blocked),
        "available": plain(wallet.available),
        "debt": plain(wallet.debt),
    }


def serialize_entry(entry: WalletEntry) -> dict[str, Any]:
    return {
        "entry_id": entry.pk,
        "kind": entry.kind,
        "amount": plain(entry.amount),
        "blocked_change": plain(entry.blocked_change),
        "debt_change": plain(entry.debt_change),
        "balance_after": plain(entry.balance_after),
        "blocked_after": plain(entry.blocked_after),
        "debt_after": plain(entry.debt_after),
        "trade_id": entry.trade_id and str(entry.trade_id),
        "execution": entry.execution,
        "note": entry.note,
        "at": rfc3339(entry.at),
    }
