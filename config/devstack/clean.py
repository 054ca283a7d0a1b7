"""`make clean`: removes the stacks of this clone. What was downloaded stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.devstack.paths import NESTED_STACKS, StackPaths
from config.devstack.supervisor import end_leftovers

if TYPE_CHECKING:
    from pathlib import Path


def clean(var: Path) -> int:
    """Remove what the stacks in and below this folder keep; refuses while one of them runs."""
    for folder in (*(var / name for name in NESTED_STACKS), var):
        if folder.exists():
            paths = StackPaths(folder)
            with paths.locked():
                end_leftovers(paths)
                paths.wipe()
    print(f"Removed the stacks in {var}.")
    return 0
