"""Traders who do not exist: names as they are heard in an Indian call centre, with telephone numbers."""

from datetime import datetime
from random import Random

from django.contrib.auth.hashers import make_password

from brokerage.db.bulk import insert_many
from brokerage.db.transactions import transaction_required
from brokerage.models import Trader, User

_FIRST_NAMES = """
    Aarav Aditi Amit Ananya Anil Anjali Arjun Asha Chetan Deepa Dinesh Divya Farhan Fatima Gaurav Geeta Harpreet Imran
    Jaya Jyoti Kabir Kavita Kiran Lakshmi Manish Meera Mohan Neha Nikhil Nisha Priya Rahul Rekha Sanjay Shreya Sunita
""".split()
_LAST_NAMES = """
    Agarwal Ahmed Banerjee Bhat Bose Chopra D'Souza Das Desai Dutta Fernandes Ghosh Gill Gupta Hegde Iyer Jain Joshi
    Kaur Khan Kulkarni Kumar Malhotra Menon Mishra Nair Patel Pillai Rao Reddy Sen Shah Sharma Singh Verma Yadav
""".split()
_STATUSES = {Trader.Status.ACTIVE: 196, Trader.Status.REDUCING: 3, Trader.Status.SUSPENDED: 1}


@transaction_required
def create_traders(count: int, *, rng: Random, at: datetime) -> list[tuple[Trader, str]]:
    """Insert traders who joined at `at`; return each with the name of a log-in, which has no password."""
    traders = [
        Trader(
            name=f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}",
            phone=f"+91 {rng.randrange(70_000, 100_000)} {rng.randrange(100_000):05}",
            status=rng.choices(list(_STATUSES), list(_STATUSES.values()))[0],
            created_at=at,
        )
        for _ in range(count)
    ]
    insert_many(traders)
    names = [f"{trader.name.lower().replace(' ', '.').replace(chr(39), '')}.{trader.pk}" for trader in traders]
    users = zip(names, traders, strict=True)
    insert_many([User(username=name, password=make_password(None), trader=t, date_joined=at) for name, t in users])
    return list(zip(traders, names, strict=True))
