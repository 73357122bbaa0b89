"""The three simulated robots, each once for a module, and who looks at them through a relay."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import processes
import pytest
from rclpy.context import Context
from rclpy.node import Node
from relay import ROBOTS, Relay, new_context

from fournex_runtime.doctor.finding import Finding
from fournex_runtime.ros.doctor import examine_from
from fournex_runtime.session.wiring import load_wiring


@pytest.fixture(scope='module')
def simulators(tmp_path_factory):
    """Start the three robots, each in a namespace of its name."""
    starter = processes.Starter(tmp_path_factory.mktemp('simulators'))
    for robot in ROBOTS:
        arguments = ['--ros-args', '-p', f'robot:={robot}', '-r', f'__ns:=/{robot}']
        starter(
            robot,
            [sys.executable, '-m', 'fournex_runtime.sim.node', *arguments],
            timeout_s=600,
        )
    yield
    starter.end()


@pytest.fixture(scope='module')
def context(simulators):
    """Return the context of rclpy that all tests here share, so that it is discovered once."""
    made = new_context()
    yield made
    made.try_shutdown()


@pytest.fixture
def wiring_of(checkout, tmp_path):
    """Return a function that writes an example's wiring with texts replaced, and loads it."""

    def write(robot: str, *changes: tuple[str, str]):
        folder = checkout / 'examples' / robot
        text = (folder / 'wiring.yaml').read_text()
        inline = (
            f'policy: {folder / "bundle"}\n    inference: {{isolation: inline}}'  # a quick start
        )
        for old, new in (('policy: bundle', inline), *changes):
            assert old in text, old
            text = text.replace(old, new)
        file = tmp_path / 'wiring.yaml'
        file.write_text(text)
        return load_wiring(file)

    return write


class Relays:
    """The robots as their sessions see them: one relay for all that differs in messages only."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._numbers = itertools.count(1)
        self._plain: dict[str, tuple[Relay, str]] = {}

    def plain(self, robot: str) -> tuple[Relay, str]:
        """Return the relay of a robot that lives as long as this, and its namespace."""
        if robot not in self._plain:
            self._plain[robot] = self.own(robot)
        return self._plain[robot]

    def own(self, robot: str, **options: Any) -> tuple[Relay, str]:
        """Return a new relay of a robot, and its namespace."""
        namespace = f'case_{next(self._numbers)}'
        return Relay(self._context, robot, namespace, **options), namespace

    def close(self) -> None:
        """Leave the graph."""
        for relay, _ in self._plain.values():
            relay.close()


@pytest.fixture(scope='module')
def relays(context):
    """Return what makes relays."""
    made = Relays(context)
    yield made
    made.close()


@pytest.fixture
def doctor(context, relays, wiring_of):
    """Return a function that examines what the session of a robot sees."""
    open_now = []

    def look(
        robot, *changes, seconds=0.6, beside=None, parameters=(), messages=None, **options
    ) -> list[Finding]:
        if beside is not None or options:
            relay, namespace = relays.own(robot, **options)
            open_now.append(relay.close)
        else:
            relay, namespace = relays.plain(robot)
        if beside is not None:
            beside(relay)
        relay.change(messages or {})
        node = Node(
            'doctor',
            namespace=namespace,
            context=context,
            enable_rosout=False,
            start_parameter_services=False,
            parameter_overrides=list(parameters),
        )
        open_now.append(node.destroy_node)
        wiring = wiring_of(robot, *changes)
        return list(examine_from(node, wiring, seconds, patience_s=1.5).findings)

    yield look
    for close in reversed(open_now):
        close()
