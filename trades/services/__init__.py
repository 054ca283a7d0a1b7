"""One module per step. Each opens its own durable transaction and is safe to run any number of times."""
