"""A timer that leaves rclpy's executor asleep."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class SteadyTimer:
    """
    Calls a function again and again, in a thread of its own, by the steady clock.

    Each timer of an executor wakes three of its threads and makes it look at everything it serves:
    a millisecond of the interpreter that the control loop needs, more than most callbacks take.

    :param period_s: seconds from the end of a call to the next; can be changed.
    :param function: what is called; what it raises is logged, and the timer goes on.
    :param logger: of the node.
    """

    def __init__(self, period_s: float, function: Callable[[], None], logger: Any) -> None:
        self.period_s = period_s
        self._function = function
        self._logger = logger
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name='reports', daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(self.period_s):
            try:
                self._function()
            except Exception as problem:  # whatever it is, the next report is to be tried
                if not self._closed.is_set():
                    self._logger.error(f'a report failed: {problem!r}')

    def close(self) -> None:
        """Let the call that is under way come to its end, and make no other."""
        self._closed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5.0)
