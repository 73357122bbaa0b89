"""The command line as a user calls it: a process, its output, its exit status."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import BagReader, RecordedMessage
from fournex_runtime.record.channel import Channel
from fournex_runtime.record.recording import Recording


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a command."""

    status: int
    out: str
    err: str


@pytest.fixture(scope='session')
def fournex(checkout):
    """Return a function that runs ``fournex`` with some arguments and returns a `Result`."""

    def run(*arguments: object, timeout_s: float = 50.0) -> Result:
        done = subprocess.run(
            [sys.executable, '-m', 'fournex_runtime.cli.main', *map(str, arguments)],
            cwd=checkout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert 'Traceback' not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def wiring(checkout, tmp_path):
    """Return a function that writes an example's wiring, with some of its text replaced."""

    def write(*replacements: tuple[str, str], robot: str = 'pendulum') -> pathlib.Path:
        source = checkout / 'examples' / robot
        text = (source / 'wiring.yaml').read_text()
        for before, after in (('policy: bundle', f'policy: {source / "bundle"}'), *replacements):
            assert before in text
            text = text.replace(before, after)
        file = tmp_path / 'wiring.yaml'
        file.write_text(text)
        return file

    return write


@pytest.fixture(scope='session')
def bag(fournex, tmp_path_factory):
    """Return a recording of two episodes of the pendulum, 20 s each."""
    folder = tmp_path_factory.mktemp('recorded') / 'pendulum'
    done = fournex('evaluate', 'pendulum', '--episodes', 2, '--record', folder)
    assert done.status == 0, done.err
    return folder


@pytest.fixture(scope='session')
def rewrite():
    """Return a function that writes a bag again with other bytes."""
    return _rewrite


def _rewrite(
    bag: pathlib.Path, folder: pathlib.Path, alter: Callable[[RecordedMessage], bytes | None]
) -> pathlib.Path:
    """Write a bag again, with the bytes that ``alter`` returns; None leaves a message out."""
    with BagReader(bag) as reader:
        channels = [Channel(one.topic, one.type) for one in reader.channels]
        index = {channel.topic: place for place, channel in enumerate(channels)}
        recording = Recording(folder, channels, messages=messages())
        recording.start()
        for message in reader.messages():
            data = alter(message)
            if data is not None:
                recording.write(
                    index[message.topic],
                    data,
                    log_time_ns=message.log_time_ns,
                    publish_time_ns=message.publish_time_ns,
                    sequence=message.sequence,
                )
                recording.commit()
        recording.close()
    return folder
