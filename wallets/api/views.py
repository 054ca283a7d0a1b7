"""The doors to a trader's cash: what it is now, and how it came about."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from brokerage.api.callers import OfTrader, trader_for
from brokerage.api.paging import PagedByNumber, page
from brokerage.api.times import rfc3339
from brokerage.money import plain
from wallets import selectors
from wallets.models import Wallet, WalletEntry


class EntryFilters(PagedByNumber, OfTrader):
    pass


class WalletView(APIView):
    """GET: the wallet."""

    def get(self, request: Request) -> Response:
        wanted = OfTrader.read_query(request)
        return Response(wallet_picture(selectors.wallet_of(trader_for(request.user, wanted.get("trader_id")))))


class WalletEntriesView(APIView):
    """GET: a page of its journal, newest first."""

    def get(self, request: Request) -> Response:
        wanted = EntryFilters.read_query(request)
        entries = selectors.entries_of(trader_for(request.user, wanted.pop("trader_id", None)))
        return Response(page(request, entries, entry_picture, **wanted))


def wallet_picture(wallet: Wallet) -> dict[str, Any]:
    return {
        "trader_id": wallet.trader_id,
        "currency": wallet.currency,
        "balance": plain(wallet.balance),
        "blocked": plain(wallet.blocked),
        "available": plain(wallet.available),
        "debt": plain(wallet.debt),
    }


def entry_picture(entry: WalletEntry) -> dict[str, Any]:
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
