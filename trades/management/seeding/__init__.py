"""Inventing a past for looking and measuring: traders, and trades that went through the real pipeline."""
