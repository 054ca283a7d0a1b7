"""Pre-trade checks: what the broker refuses, and why."""
