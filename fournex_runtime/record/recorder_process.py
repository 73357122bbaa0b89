"""
Starting the recorder process, hearing from it, and ending it.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from ..child_process import ChildProcess
from ..errors import RecordingError

_MODULE = 'fournex_runtime.record.recorder'
_REPLY_BYTES = 65536
_STANDARD_ERROR = 2


class RecorderProcess:
    """
    The parent's end of a recorder process.

    The process is in a session of its own, so that Ctrl-C in a terminal does not reach it, and
    knows by a pidfd and by the end of its socket when the runtime is gone.
    """

    def __init__(self) -> None:
        self._process: ChildProcess | None = None
        self._control: socket.socket | None = None

    def start(
        self,
        configuration: dict[str, Any],
        descriptors: Sequence[int],
        timeout_s: float,
    ) -> None:
        """
        Start the process and wait until it says that it is ready.

        :param configuration: for ``recorder.py``; the runtime's pidfd is added here.
        :param descriptors: file descriptors that the configuration names.
        :param timeout_s: how long to wait.
        :raises RecordingError: it refuses, ends or says nothing; it is gone then.
        :raises OSError: there are not the resources for it.
        """
        deadline = time.monotonic() + timeout_s
        runtime = os.pidfd_open(os.getpid())
        try:
            self._spawn({**configuration, 'runtime': runtime}, [*descriptors, runtime])
        finally:
            os.close(runtime)
        try:
            reply = self._reply(deadline)
            if reply is None:
                found = f'is not ready after {timeout_s:g} s' if self.alive() else self.ending()
                raise RecordingError(f'the recorder {found}')
            if reply['state'] != 'ready':
                raise RecordingError(reply['problem'])
        except BaseException:
            self.kill()
            self._process = None
            raise

    @property
    def pid(self) -> int | None:
        """Return the process id, or None before the start."""
        return None if self._process is None else self._process.pid

    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def ending(self) -> str:
        """Return in words how the process ended."""
        status = None if self._process is None else self._process.poll()
        if status is None:
            return 'has not ended'
        if status < 0:
            return f'was killed by {signal.Signals(-status).name}'
        return f'ended with status {status}'

    def finish(self, timeout_s: float) -> bool:
        """
        Tell the process to finish, wait for it, and reap it.

        :param timeout_s: after that it is killed.
        :return: whether it ended by itself.
        """
        deadline = time.monotonic() + timeout_s
        if self._control is not None:
            try:
                # Closing the socket is not enough where a forked child holds it, too.
                self._control.send(b'close')
            except OSError:
                pass  # it is dead already
        self._wait(deadline)
        self.kill()
        return self._process is not None and (self._process.poll() or 0) >= 0

    def kill(self) -> None:
        """End and reap the process if it still runs, and close the socket."""
        if self._process is not None and self.alive():
            self._process.kill()
            self._process.wait()
        if self._control is not None:
            self._control.close()
            self._control = None

    def _spawn(self, configuration: dict[str, Any], descriptors: Sequence[int]) -> None:
        parent, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = parent
        with (
            child,
            os.fdopen(os.memfd_create('fournex-recorder'), 'w+b') as standard_input,
            open(os.devnull, 'wb') as nowhere,
        ):
            standard_input.write(json.dumps(configuration).encode())
            standard_input.seek(0)
            self._process = ChildProcess(
                [sys.executable, '-m', _MODULE, str(child.fileno())],
                {**os.environ, 'PYTHONPATH': _import_path()},
                standard_input.fileno(),
                nowhere.fileno(),
                _STANDARD_ERROR,
                (*descriptors, child.fileno()),
            )

    def _reply(self, deadline: float) -> dict[str, Any] | None:
        if self._control is None:
            return None
        self._control.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            packet = self._control.recv(_REPLY_BYTES)
        except (TimeoutError, ConnectionError):
            return None
        if not packet:
            self._wait(deadline)
            return None
        reply: dict[str, Any] = json.loads(packet)
        return reply

    def _wait(self, deadline: float) -> None:
        if self._process is not None:
            self._process.wait(max(0.0, deadline - time.monotonic()))


def _import_path() -> str:
    """Return PYTHONPATH with which a child imports the modules that this process imports."""
    package_root = str(pathlib.Path(__file__).resolve().parents[2])
    entries = [package_root, *(os.path.abspath(entry) for entry in sys.path)]
    return os.pathsep.join(dict.fromkeys(entries))
