from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from brokerage.models import Instrument, Trader, User
from holdings import services as holdings
from wallets import services as wallets

PASSWORD = "demo"  # noqa: S105  (for everybody to know; refused in production)
KEY = "demo-opening"

TRADERS = {"alice": "Alice Mehta", "bob": "Bob D'Souza", "carol": "Carol Iyer"}
STAFF = ("agent", "supervisor", "ops", "auditor")
CASH = {"alice": Decimal("100000.00")}
SHARES = {"bob": {"INFY": 1000, "TCS": 1000, "RELIANCE": 1000}}

INSTRUMENTS = (
    Instrument(symbol="INFY", name="Infosys", reference_price=Decimal(1500)),
    Instrument(symbol="TCS", name="Tata Consultancy Services", reference_price=Decimal(3500)),
    Instrument(symbol="RELIANCE", name="Reliance Industries", reference_price=Decimal(2500)),
    Instrument(symbol="HDFCBANK", name="HDFC Bank", reference_price=Decimal(1600)),
    Instrument(symbol="HALTED", name="Halted Industries", reference_price=Decimal(100), halted=True),
    Instrument(
        symbol="TEST",
        name="Test Company",
        reference_price=Decimal(100),
        tick=Decimal("0.01"),
        band_percent=Decimal(50),
        max_quantity=1_000_000,
    ),
)


class Command(BaseCommand):
    help = "Create the demo's shares, traders, staff and opening balances. May be run again: it adds what is missing."

    def handle(self, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo's log-ins are known to everybody; they are not for production.")
        with transaction.atomic():
            Instrument.objects.bulk_create(INSTRUMENTS, ignore_conflicts=True)
            numbers = {username: _trader(username, name) for username, name in TRADERS.items()}
            for username in STAFF:
                _staff(username)
            _staff("admin", is_superuser=True)
        for username, amount in CASH.items():
            wallets.deposit(trader_id=numbers[username], amount=amount, key=KEY, note="Opening balance")
        for username, shares in SHARES.items():
            for symbol, quantity in shares.items():
                key = f"{KEY}-{symbol}"
                holdings.deposit(trader_id=numbers[username], symbol=symbol, amount=quantity, key=key)
        self.stdout.write(self.style.SUCCESS(f"Demo data is there: traders {', '.join(numbers)}; staff as documented."))


def _trader(username: str, name: str) -> int:
    """The trader's number, made with its log-in unless it is there."""
    number = User.objects.filter(username=username).values_list("trader_id", flat=True).first()
    if number is None:
        trader = Trader.objects.create(name=name, phone="+91 22 5550 0100")
        User.objects.create_user(username, password=PASSWORD, trader=trader)
        number = trader.pk
    return number


def _staff(username: str, *, is_superuser: bool = False) -> None:
    """A member of staff in the role of the same name, with the rights of that role and no others."""
    user = User.objects.filter(username=username).first()
    if user is None:
        user = User.objects.create_user(username, password=PASSWORD, is_staff=True, is_superuser=is_superuser)
    if not is_superuser:
        user.groups.set([Group.objects.get(name=username)])
        user.user_permissions.clear()
