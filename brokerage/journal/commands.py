"""What the commands `cash` and `shares` share: their arguments, and how a refusal ends them."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError, CommandParser


def add_trader_and_action(parser: CommandParser, *, actions: list[str]) -> None:
    parser.add_argument("trader", metavar="TRADER", help="the trader's number or log-in name")
    parser.add_argument("action", choices=actions)


def add_key_and_note(parser: CommandParser) -> None:
    parser.add_argument("--key", required=True, help="names this movement: run again with it, nothing moves twice")
    parser.add_argument("--note", default="", help="a remark for the journal")


@contextmanager
def errors_end_the_command() -> Iterator[None]:
    """Turn what a service refuses (an unknown trader, a reused key, an impossible amount) into exit code 1."""
    try:
        yield
    except (ValueError, LookupError) as error:
        raise CommandError(str(error)) from None
