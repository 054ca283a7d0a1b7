"""Inventing a past for looking and measuring: people, and trades whose every step went by the real rules."""
