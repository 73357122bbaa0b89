"""A thread for what the control loop has to say to the log."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

_END_S = 5.0


class LogThread:
    """
    Calls the logger for a thread that has no time for it, in the order of what it is given.

    A call of rclpy's logger looks for its caller, writes to a terminal and a file and publishes on
    ``/rosout``: a millisecond, and several on a machine that is busy, which is when there is
    something to say.
    """

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name='fournex-log', daemon=True)
        self._thread.start()

    def say(self, log: Callable[[], object]) -> None:
        """
        Have a logger called soon.

        :param log: calls it; a place of its own for each severity, because rclpy refuses a second
            one from the same place.
        """
        self._said.put(log)

    def _run(self) -> None:
        while (log := self._said.get()) is not None:
            with contextlib.suppress(Exception):  # what cannot be logged ends nothing
                log()

    def close(self) -> None:
        """Wait until everything is said, for a while."""
        self._said.put(None)
        self._thread.join(_END_S)
