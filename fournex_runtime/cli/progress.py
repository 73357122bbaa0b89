"""A progress bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time

_WIDTH = 30
_BETWEEN_S = 0.1


class Progress:
    """
    Shows how far something has come, on standard error, if that is a terminal.

    :param label: what is in progress.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._shown = sys.stderr.isatty()
        self._begun = self._last = time.monotonic()

    def update(self, done: int, total: int, text: str = '') -> None:
        """
        Show the bar, at most ten times a second.

        :param done: how much is done.
        :param total: of how much.
        :param text: shown behind it.
        """
        now = time.monotonic()
        if not self._shown or (now - self._last < _BETWEEN_S and done < total):
            return
        self._last = now
        filled = _WIDTH * done // max(total, 1)
        elapsed = max(now - self._begun, 1e-9)
        left = elapsed * (total - done) / max(done, 1)
        rate = done / elapsed
        speed = f', {rate:.0f}/s' if rate >= 10.0 else ''
        bar = '█' * filled + '·' * (_WIDTH - filled)
        end = f'{left:4.0f} s left{speed}' if done < total else f'{elapsed:4.0f} s{speed}'
        print(
            f'\r\033[K{self._label} {bar} {done}/{total} {end}  {text}',
            end='',
            file=sys.stderr,
            flush=True,
        )

    def clear(self) -> None:
        """Take the bar away."""
        if self._shown:
            print('\r\033[K', end='', file=sys.stderr, flush=True)
