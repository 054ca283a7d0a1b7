"""The parts of `python -m tests.walk`: the names it knows, the trade it plays, the calls it counts, what it prints."""
