"""Which ticks of a recording are asked for."""

from __future__ import annotations

import dataclasses

from ..session.tick import TickRecord


@dataclasses.dataclass(frozen=True)
class Selection:
    """
    A part of the ticks of each session; all of them unless something else is said.

    :param first: number of the first tick.
    :param last: number of the last tick; None for the last that there is.
    :param episode: id of the only episode; empty for all.
    """

    first: int = 0
    last: int | None = None
    episode: str = ''

    def holds(self, record: TickRecord) -> bool:
        """Return whether a tick is one of them."""
        return self.missing(record.tick, record.tick + 1) == 1 and self.episode in (
            '',
            record.episode.id,
        )

    def missing(self, first: int, end: int) -> int:
        """
        Return how many of the ticks that are not in the bag would be of them.

        Nobody knows which episode those were of: they count for any.

        :param first: number of the first of these ticks.
        :param end: number of the tick after the last.
        """
        last = end if self.last is None else self.last + 1
        return max(0, min(end, last) - max(first, self.first))

    def __str__(self) -> str:
        """Return it in words."""
        words = f'ticks {self.first} to {"the last" if self.last is None else self.last}'
        if self.last == self.first:
            words = f'tick {self.first}'
        if self.episode:
            words = f'{words} of episode {self.episode}'
        return words


ALL_TICKS = Selection()
