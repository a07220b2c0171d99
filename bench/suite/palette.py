# SPDX-License-Identifier: MIT
"""Colour, dash and marker of each allocator: the same in all figures, told apart in grey, too."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    colour: str
    marker: int  # gnuplot's point type
    dash: int  # gnuplot's dash type
    width: float = 1.6


LOOKS = {
    "glibc": Look("#000000", 7, 1, 1.8),
    "vmalloc": Look("#c8102e", 9, 1, 2.8),
    "jemalloc": Look("#1f4e9c", 4, 2),
    "mimalloc": Look("#d98200", 13, 4),
    "tcmalloc": Look("#2e9e6b", 12, 5),
    "scudo": Look("#9a76c2", 3, 3),
}
OTHERS = (Look("#5a5a5a", 10, 6), Look("#8c6d46", 6, 2), Look("#b05a8f", 1, 4), Look("#3aa0b8", 11, 5))
LIVE, TEXT, GRID = "#d8d8d8", "#222222", "#d0d0d0"


def looks(names):
    """{name: Look}; allocators that came by --lib share the rest of the looks."""
    others = [name for name in names if name not in LOOKS]
    return {name: LOOKS.get(name) or OTHERS[others.index(name) % len(OTHERS)] for name in names}
