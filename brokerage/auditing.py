"""What an audit finds, in the same form from every app."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One broken invariant: its code, whose it is, what should stand there and what does."""

    code: str
    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.code} {self.subject}: expected {self.expected}, found {self.found}"
