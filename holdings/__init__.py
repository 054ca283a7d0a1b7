"""Shares: what each trader has of each share, what of it is blocked, and the journal that explains every piece."""
