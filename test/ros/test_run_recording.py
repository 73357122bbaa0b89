"""A recording of a run: what it has to say is said by nobody who has a robot to drive."""

import os
import signal
import threading
import time

import pytest

from fournex_runtime.errors import MessageError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.manifest import Manifest
from fournex_runtime.ros.log_thread import LogThread
from fournex_runtime.ros.run_recording import RunRecording


class Logger:
    """Notes what it is told, and by which thread."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int]] = []

    def error(self, words: str) -> None:
        """Note it."""
        self.said.append((words, threading.get_ident()))

    info = warning = error


@pytest.fixture
def run(tmp_path):
    logger, log = Logger(), LogThread()
    recording = RunRecording(tmp_path / 'bag', '/manifest', (), messages(), logger, log)
    recording.start(Manifest(0, '/fournex', 'wiring.yaml', '', (), {}))
    yield recording, logger, log
    recording.close()
    log.close()


def test_that_the_recorder_is_gone_is_said_once_and_not_by_the_loop(run):
    recording, logger, log = run
    os.kill(recording._recording.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not logger.said:
        assert time.monotonic() < deadline
        recording.later('/manifest', b'something to be recorded')
        recording.commit()
        time.sleep(0.01)
    recording.commit()
    log.close()
    ((words, thread),) = logger.said
    assert words == (
        'the recorder has ended; the robot goes on without a recording: '
        'the recorder was killed by SIGKILL'
    )
    assert thread != threading.get_ident()


def test_that_a_file_cannot_be_replayed_alone_is_said_once_and_not_by_the_loop(run):
    recording, logger, log = run

    def without_message():
        raise MessageError('the newest message cannot be encoded')

    recording.snapshots = without_message
    recording.mark()
    recording.mark()
    log.close()
    ((words, thread),) = logger.said
    assert words == (
        'files of this recording cannot be replayed alone: the newest message cannot be encoded'
    )
    assert thread != threading.get_ident()
