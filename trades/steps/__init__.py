"""The steps of the pipeline: leases, the runner, validate, book, send. Steps do not call each other."""
