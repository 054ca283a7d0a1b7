"""The local stack: everything `make up`, `make demo` and `make test` start on one machine.

Plain Python without Django, but for prepare_database: it starts what Django needs. Linux only: it relies on /proc,
setpriv and flock.
"""
