"""Traders who do not exist: names as they are heard in an Indian call centre, with telephone numbers."""

from datetime import datetime
from random import Random

from django.contrib.auth.hashers import make_password

from brokerage.db.bulk import insert_many
from brokerage.db.transactions import transaction_required
from brokerage.models import Trader, User

_FIRST_NAMES = """
    Aarav Aditi Aditya Akash Amit Amrita Ananya Anil Anita Anjali Arjun Arun Asha Bhavna Chetan Deepa Deepak Devika
    Dinesh Divya Farhan Fatima Gaurav Geeta Gurpreet Harish Harpreet Imran Indira Ishaan Jaya Jyoti Kabir Karan Kavita
    Kiran Lakshmi Leela Madhuri Manish Manoj Meera Mohan Nandini Neha Nikhil Nisha Pooja Prakash Pranav Priya Radha
    Rahul Rajesh Ramesh Rashmi Ravi Rekha Rohan Rukmini Sanjay Sarita Shalini Shreya Simran Sunil Sunita Suresh Tanvi
    Uma Varun Vijay Vikram Vivek Yash Zara
"""
_LAST_NAMES = """
    Agarwal Ahmed Banerjee Bhat Bose Chandra Chatterjee Chopra D'Souza Das Desai Deshpande Dutta Fernandes Gandhi
    Ghosh Gill Gokhale Gupta Hegde Iyer Jain Joshi Kamath Kapoor Kaur Khan Kulkarni Kumar Mahajan Malhotra Mehta Menon
    Mishra Mukherjee Nair Naidu Pandey Patel Patil Pillai Prabhu Qureshi Rao Rathore Reddy Sahni Saxena Sen Sethi Shah
    Sharma Shetty Siddiqui Singh Sinha Subramaniam Thakur Tiwari Trivedi Varma Venkatesan Verma Yadav
"""
_FIRST, _LAST = _FIRST_NAMES.split(), _LAST_NAMES.split()
_STATUSES = (Trader.Status.ACTIVE,) * 196 + (Trader.Status.REDUCING,) * 3 + (Trader.Status.SUSPENDED,)


@transaction_required
def make_traders(count: int, *, dice: Random, at: datetime) -> list[tuple[Trader, User]]:
    """Insert traders who joined at `at`, each with a log-in that has no password."""
    traders = [
        Trader(
            name=f"{dice.choice(_FIRST)} {dice.choice(_LAST)}",
            phone=f"+91 {dice.randrange(70_000, 100_000)} {dice.randrange(100_000):05}",
            status=dice.choice(_STATUSES),
            created_at=at,
        )
        for _ in range(count)
    ]
    insert_many(traders)
    users = [
        User(
            username=f"{trader.name.lower().replace(' ', '.').replace(chr(39), '')}.{trader.pk}",
            password=make_password(None),
            trader=trader,
            date_joined=at,
        )
        for trader in traders
    ]
    insert_many(users)
    return list(zip(traders, users, strict=True))
