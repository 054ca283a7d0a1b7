"""What the walk prints."""

from collections.abc import Iterator, Sequence

from tests.walking.calls import Count, count, stretches
from tests.walking.scenario import Leg, Walk

INTRODUCTION = """\
One trade through the code, in one process: bought, amended, filled. Each leg lists our files, and the functions in
them, in the order in which they are entered. A return is a file that the leg has left before and comes back to.\
"""


def lines(walk: Walk) -> Iterator[str]:
    """Yield the lines: every leg in the order of the play, then the counts. The last one counts the buy."""
    *to_the_ack, fill = walk.buy
    chapters = (("buy", to_the_ack), ("amendment", walk.amendment), ("buy", [fill]))
    yield INTRODUCTION
    for chapter, legs in chapters:
        for leg in legs:
            yield from _leg(chapter, leg)
    yield ""
    yield f"{'leg':<24}{'files':>6}{'functions':>11}{'returns':>9}"
    for chapter, legs in chapters:
        for leg in legs:
            yield _row(f"{chapter}, {leg.name}", count(leg.entries))
    yield ""
    yield f"one trade: {_total([*walk.buy, *walk.amendment])}"
    yield f"one amendment: {_total(walk.amendment)}"
    yield f"one buy: {_total(walk.buy)}"


def _leg(chapter: str, leg: Leg) -> Iterator[str]:
    yield ""
    yield f"{chapter}, {leg.name}: {leg.what} ({_total([leg])})"
    for stretch in stretches(leg.entries):
        yield f"  {stretch.file}{' (return)' if stretch.is_return else ''}"
        yield from (f"      {function}" for function in stretch.functions)


def _row(name: str, counted: Count) -> str:
    return f"{name:<24}{counted.files:>6}{counted.functions:>11}{counted.returns:>9}"


def _total(legs: Sequence[Leg]) -> str:
    counted = count(*(leg.entries for leg in legs))
    return f"{counted.files} files, {counted.functions} functions, {counted.returns} returns"
