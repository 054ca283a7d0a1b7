"""Who and what the tests are about, made by factory-boy. Alice has cash, Bob has shares, Carol has nothing."""

from decimal import Decimal

import factory

from brokerage.models import Instrument, Trader, User


class TraderFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Trader

    name = factory.Sequence(lambda n: f"Trader {n}")


class UserFactory(factory.django.DjangoModelFactory):
    """A log-in without a usable password; `trader=None, is_staff=True` for staff."""

    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user{n}")
    password = "!"
    trader = factory.SubFactory(TraderFactory)


class InstrumentFactory(factory.django.DjangoModelFactory):
    """A share without limits: tick 0.05, lot 1, reference price 100.00, band ±50 %."""

    class Meta:
        model = Instrument
        django_get_or_create = ("symbol",)

    symbol = factory.Sequence(lambda n: f"SHARE{n}")
    name = factory.SelfAttribute("symbol")
    tick = Decimal("0.05")
    reference_price = Decimal("100.00")
    band_percent = Decimal(50)
