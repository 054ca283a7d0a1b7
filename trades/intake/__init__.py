"""Accepting: what the client asked for is written down in one commit."""
