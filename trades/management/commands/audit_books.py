from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trades.queries.audit import audit_everything


class Command(BaseCommand):
    help = "Compare trades, wallets, holdings and their journals in one snapshot. Exit 1 if anything does not agree."

    def handle(self, **options: Any) -> None:
        run = audit_everything(lambda discrepancy: self.stdout.write(str(discrepancy)))
        if run.discrepancies:
            raise CommandError(f"{run.discrepancies} discrepancies.")
        self.stdout.write(self.style.SUCCESS("The books are clean: no discrepancy."))
