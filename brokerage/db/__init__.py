"""The database: transactions and their retries, locks in their order, set-based statements."""
