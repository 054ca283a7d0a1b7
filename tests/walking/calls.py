"""The functions of ours that the interpreter enters, in order, leg by leg; and what is counted of them.

An *entry* is the interpreter's own `call` event, in any thread, of a function whose file is one of ours:

- A generator function (or a coroutine) is entered when it first runs, not when it goes on after a `yield`.
- What stands in a function belongs to it: a lambda or a generator expression, entered when it is called or first run,
  is an entry of that function. A list, set or dict comprehension is none, as newer interpreters run it in place.
- The body of a module or of a class is no function.

Of one leg or of several are counted:

- *files*: the different files entered;
- *functions*: the different functions entered, told apart by their qualified name in the file;
- *returns*: how often a leg comes back to a file. Consecutive entries in one file are one stretch; each stretch in a
  file that had an earlier stretch in the same leg is one return. That a call is over is not an entry, so going back to
  the caller counts only when the caller's file is entered again.
"""

import dis
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_OPTIMIZED
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_SUSPENDED = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_IN_PLACE = {"<listcomp>", "<setcomp>", "<dictcomp>"}
_PART_OF_A_FUNCTION = {"<lambda>", "<genexpr>", *_IN_PLACE}


@dataclass(frozen=True, slots=True)
class Entry:
    file: str
    """The path from the root, with slashes."""
    function: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive entries in one file."""

    file: str
    functions: tuple[str, ...]
    """Each once, in the order of their first entries."""
    is_return: bool


@dataclass(frozen=True, slots=True)
class Count:
    files: int
    functions: int
    returns: int


def stretches(leg: Sequence[Entry]) -> Iterator[Stretch]:
    """Cut the entries of one leg where the file changes."""
    seen: set[str] = set()
    for file, entries in groupby(leg, key=attrgetter("file")):
        functions = tuple(dict.fromkeys(entry.function for entry in entries))
        yield Stretch(file, functions, is_return=file in seen)
        seen.add(file)


def count(*legs: Sequence[Entry]) -> Count:
    """Count these legs together; a leg's returns are its own."""
    entries = {entry for leg in legs for entry in leg}
    returns = sum(stretch.is_return for leg in legs for stretch in stretches(leg))
    return Count(len({entry.file for entry in entries}), len(entries), returns)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out about a piece of code."""

    code: CodeType
    entry: Entry | None
    """None for code that is not counted."""
    begins_at: int | None
    """The offset at which a generator or a coroutine first runs; None for a plain function."""


class Recorder:
    """Writes down the entries of functions whose files lie in `packages` below `root`, and in none of the `others`.

    `packages` and `others` are paths from the root; migrations are never counted. Install it before any thread is
    started that is to be heard.
    """

    def __init__(self, root: Path, packages: Collection[str], others: Collection[str] = ()) -> None:
        self._root = root.resolve()
        self._packages = [Path(name) for name in packages]
        self._others = [Path(name) for name in others]
        self._known: dict[int, _Known] = {}
        self._leg: list[Entry] | None = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Be told of every call in this thread, and in those that are started meanwhile."""
        before, before_in_threads = sys.getprofile(), threading.getprofile()
        threading.setprofile(self._on_event)
        sys.setprofile(self._on_event)
        try:
            yield
        finally:
            sys.setprofile(before)
            threading.setprofile(before_in_threads)

    @contextmanager
    def leg(self) -> Iterator[list[Entry]]:
        """Write down what is entered meanwhile."""
        leg = self._leg = []
        try:
            yield leg
        finally:
            self._leg = None

    def _on_event(self, frame: FrameType, event: str, _: Any) -> None:
        leg = self._leg
        if leg is None or event != "call":
            return
        # By identity: code objects that are equal may stand in two files, as the twins wallets and holdings have them.
        known = self._known.get(id(frame.f_code)) or self._look_at(frame.f_code)
        if known.entry is not None and (known.begins_at is None or frame.f_lasti == known.begins_at):
            leg.append(known.entry)

    def _look_at(self, code: CodeType) -> _Known:
        file, function = self._file_of(code), function_of(code)
        entry = Entry(file, function) if file and function else None
        begins_at = None
        if entry and code.co_flags & _SUSPENDED:
            begins_at = next(it.offset for it in dis.get_instructions(code) if it.opname == "RESUME")
        known = self._known[id(code)] = _Known(code, entry, begins_at)  # holding the code, whose id stays its own
        return known

    def _file_of(self, code: CodeType) -> str | None:
        """The file's path from the root; None for one that is not ours."""
        path = Path(code.co_filename).resolve()
        if not path.is_relative_to(self._root):
            return None
        path = path.relative_to(self._root)
        ours = any(path.is_relative_to(package) for package in self._packages)
        theirs = "migrations" in path.parts or any(path.is_relative_to(other) for other in self._others)
        return path.as_posix() if ours and not theirs else None


def function_of(code: CodeType) -> str | None:
    """The qualified name of the function that this code is, or stands in; None for what is no entry."""
    if not code.co_flags & CO_OPTIMIZED or code.co_name in _IN_PLACE:
        return None
    names = code.co_qualname.split(".")
    parts = [at for at, name in enumerate(names) if name in _PART_OF_A_FUNCTION]
    if parts and names[parts[0] - 1] == "<locals>":
        names = names[: parts[0]]
    elif parts:  # in the body of a module or a class: a function by itself
        names[-1] = f"{names[-1]} in line {code.co_firstlineno}"
    return ".".join(name for name in names if name != "<locals>")
