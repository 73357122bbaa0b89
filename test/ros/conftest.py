"""What the tests of the runtime over DDS share."""

from __future__ import annotations

import sys

import pytest
from robot_side import RobotSide


@pytest.fixture
def robot():
    """Return a function that puts a robot on the graph; all of them leave at the end."""
    sides = []

    def make(**options) -> RobotSide:
        sides.append(RobotSide(**options))
        return sides[-1]

    yield make
    for side in sides:
        side.close()


@pytest.fixture
def runtime(start, checkout):
    """
    Return a function that starts the runtime as a process.

    Keyword arguments are ROS parameters; ``remap`` is a list of remappings.
    """

    def run(
        wiring='examples/pendulum/wiring.yaml',
        *,
        name='runtime',
        remap=(),
        timeout_s=50.0,
        **parameters,
    ):
        path = checkout / wiring
        command = [sys.executable, '-m', 'fournex_runtime.ros.runtime', '--ros-args']
        for key, value in {'wiring': path, **parameters}.items():
            word = str(value).lower() if isinstance(value, bool) else value
            command += ['-p', f'{key}:={word}']
        for rule in remap:
            command += ['-r', rule]
        return start(name, command, timeout_s=timeout_s)

    return run


@pytest.fixture
def wiring_file(checkout, tmp_path):
    """Return a function that writes the pendulum's wiring with texts replaced."""

    def write(*changes: tuple[str, str]):
        text = (checkout / 'examples/pendulum/wiring.yaml').read_text()
        bundle = checkout / 'examples/pendulum/bundle'
        for old, new in (('policy: bundle', f'policy: {bundle}'), *changes):
            assert old in text, old
            text = text.replace(old, new)
        file = tmp_path / 'wiring.yaml'
        file.write_text(text)
        return file

    return write
