"""The local stack: everything `make up`, `make demo` and `make test` start on one machine.

Plain Python without Django, so that it can prepare the ground Django stands on. Linux only: it reads /proc.
"""
