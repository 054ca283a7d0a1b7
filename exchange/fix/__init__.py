"""FIX 5.0 SP2 in JSON: the messages between broker and exchange, and how they travel."""
