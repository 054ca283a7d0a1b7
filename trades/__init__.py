"""Trades: what a client wants, its whole life, and the pipeline that takes it to the exchange."""
