"""A child process of a verb: its log, how it ended, how it is ended."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
from collections.abc import Sequence

_LOG_LINES = 15


class Child:
    """
    A Python module that runs in a process of its own, with its output in a file.

    It has a session of its own, so that Ctrl-C reaches the parent alone, which then ends its
    children in the right order.

    :param name: for messages.
    :param module: what ``python -m`` runs.
    :param arguments: its command line.
    :param log: file for its output.
    """

    def __init__(
        self, name: str, module: str, arguments: Sequence[str], log: pathlib.Path
    ) -> None:
        self.name = name
        self.log = log
        with open(log, 'wb') as output:
            self._process = subprocess.Popen(
                [sys.executable, '-m', module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def ended(self) -> str:
        """Return how it ended, in words; empty while it runs."""
        status = self._process.poll()
        if status is None:
            return ''
        if status < 0:
            return f'the {self.name} was ended by {signal.Signals(-status).name}'
        return f'the {self.name} ended with exit status {status}'

    def last_words(self) -> str:
        """Return the last lines of its output, indented."""
        text = self.log.read_text(encoding='utf-8', errors='replace')
        lines = [line for line in text.splitlines() if line.strip()]
        return '\n'.join(f'  {line}' for line in lines[-_LOG_LINES:]) or '  (it said nothing)'

    def end(self, timeout_s: float) -> str:
        """
        End it: SIGINT, and SIGKILL when that is not enough.

        :param timeout_s: how long it may take after SIGINT.
        :returns: what went wrong, in words; empty after a clean end.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return f'the {self.name} did not end within {timeout_s:g} s of SIGINT and was killed'
        return '' if status in (0, -signal.SIGINT, 130) else self.ended
