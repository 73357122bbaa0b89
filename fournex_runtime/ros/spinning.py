"""A thread that serves an executor, and that ends for certain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, ShutdownException

_TURN_S = 5.0
"""
How long one wait takes at most; what a callback raised is told with the next one, or then.

Each end of a wait costs a control loop in this process a millisecond.
"""
REST_S = 0.002
"""
Between two callbacks of a runtime: whoever calls its services as fast as they answer takes a part
of the interpreter then, and not nearly all of it from the loop.
"""


class Spinning:
    """
    Serves an executor on a thread of its own until it is closed.

    ``Executor.spin`` misses a ``shutdown`` that comes between its look at whether to go on and its
    wait: the guard condition that would wake it is gone then, and the thread keeps its process
    alive. Here a task that does nothing ends the last wait, and the shutdown comes after it.

    :param executor: an executor of rclpy with its nodes.
    :param failed: takes what a callback raised; the others are served all the same.
    :param rest_s: how long nothing is served after each callback.
    """

    def __init__(
        self,
        executor: Any,
        failed: Callable[[Exception], None] | None = None,
        rest_s: float = 0.0,
    ) -> None:
        self._executor = executor
        self._failed = failed
        self._rest_s = rest_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name='executor')
        self._thread.start()

    def _serve(self) -> None:
        while not self._closing.is_set():
            if self._rest_s:
                time.sleep(self._rest_s)
            try:
                self._executor.spin_once(timeout_sec=_TURN_S)
            except (ExternalShutdownException, ShutdownException):
                return
            except InvalidHandle:  # rclpy waited for what was just destroyed
                continue
            except Exception as problem:  # rclpy ends a turn with whatever a callback raised
                if self._failed is None:
                    raise
                if not self._closing.is_set():
                    self._failed(problem)

    def close(self, timeout_s: float) -> None:
        """
        End the executor and the thread.

        :param timeout_s: how long a callback that runs may take.
        """
        self._closing.set()
        self._executor.create_task(_nothing)
        self._thread.join(timeout=timeout_s)
        self._executor.shutdown(timeout_sec=timeout_s)


def _nothing() -> None:
    return
