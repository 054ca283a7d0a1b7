from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trades.queries.audit import audit


class Command(BaseCommand):
    help = "Compare trades, wallets, holdings and their journals in one snapshot. Exit 1 if anything does not agree."

    def handle(self, **options: Any) -> None:
        found = audit()
        for discrepancy in found:
            self.stdout.write(str(discrepancy))
        if found:
            raise CommandError(f"{len(found)} discrepancies.")
        self.stdout.write(self.style.SUCCESS("The books are clean: no discrepancy."))
