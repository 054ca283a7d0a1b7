"""What steps, reports and reconciliation share: the locked trade, its repository, and what follows from its facts."""
