"""When a guard speaks in the place of a runtime whose command stream has ended. Pure."""

from __future__ import annotations

import collections


class StreamWatch:
    """
    The command topic of a session as its guard hears it.

    The guard hears what it says itself, too: as many messages as it has sent, with the same bytes,
    are its own.

    :param after_ns: how long after the last command its stream has ended.
    """

    def __init__(self, after_ns: int) -> None:
        self.after_ns = after_ns
        self.last: bytes | None = None
        """The last command of somebody else; None before the first."""
        self._heard_ns = 0
        self._own: collections.deque[bytes] = collections.deque(maxlen=64)
        self._stopped = False

    def heard(self, data: bytes, arrival_ns: int) -> None:
        """Take note of a message on the topic."""
        if data in self._own:
            self._own.remove(data)
            return
        self.last, self._heard_ns = data, arrival_ns

    def said(self, data: bytes) -> None:
        """Take note of what the guard publishes."""
        self._own.append(data)

    def told(self, stopped: bool) -> None:
        """
        Take note of what the runtime says of the session.

        :param stopped: it is in a protective stop, or has ended: the robot has its stop command,
            and another may command it now.
        """
        self._stopped = stopped

    def speaks(self, now_ns: int) -> bool:
        """Return whether the stream has ended without a stop command."""
        return (
            self.last is not None
            and not self._stopped
            and now_ns - self._heard_ns >= self.after_ns
        )
