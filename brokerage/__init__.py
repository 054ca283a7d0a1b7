"""The firm's own data and the words every app shares: money, locks, reasons, health, logs. Imports no other app."""
