"""Messages that never came, counted by what the numbers of those that did leave out."""

from __future__ import annotations


class NumberGaps:
    """
    Counts what is missing in the numbers that a publisher gives its messages.

    The middleware does not say whose number it is. Two publishers on one topic give themselves
    away: a number that was counted as missing comes after all, or the numbers go back and forth.
    """

    def __init__(self) -> None:
        self.missed = 0
        """How many numbers were left out."""
        self.several = False
        """Whether more than one publisher numbers messages: from then on none is counted."""
        self._gap = range(0)
        self._highest: int | None = None

    def jump(self, following: int | None, number: int | None) -> None:
        """
        Take note of a number that is not the one that follows.

        :param following: the one that would; None where none is known.
        :param number: of the message that came; None where the middleware does not say it.
        """
        if number is None or following is None or self.several:
            return
        if number in self._gap:
            self.missed -= len(self._gap)
            self.several = True
        elif number < following:  # a publisher that was started again, or another one
            self._highest = following
        elif self._highest is not None and following < self._highest <= number:
            self.several = True
        else:
            self._gap = range(following, number)
            self.missed += len(self._gap)
