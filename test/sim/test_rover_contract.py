"""The rover's contract is the arithmetic that its policy was trained with, to the bit."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Answer, AnswerKind, EpisodeStart, Received, TickInputs
from fournex_runtime.session.wiring import load_wiring
from fournex_runtime.sim.rover import RoverRobot


@pytest.fixture
def training(checkout, monkeypatch) -> Any:
    """Return the arithmetic of training."""
    monkeypatch.syspath_prepend(str(checkout))
    return importlib.import_module('examples.rover.observation')


@pytest.fixture
def engine(checkout) -> Engine:
    wiring = load_wiring(checkout / 'examples' / 'rover' / 'wiring.yaml')
    (session,) = wiring.sessions
    return Engine(wiring.bundles[session.name], session, messages())


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_observations_and_commands_are_those_of_training(training, engine, seed):
    robot = RoverRobot(goals_per_episode=2)
    robot.reset(seed)
    kinds = {sensor.topic: sensor.type for sensor in robot.sensors}
    random = np.random.default_rng(seed)
    state = engine.initial_state()
    last_action = np.zeros(training.ACTIONS)
    for tick in range(100):
        now_ns = 1_000_000_000 + tick * robot.control_ns
        taken = tuple(
            (Received(tick + 1, now_ns, messages().encode(message, source.type)),)
            for source in engine.wiring.sources
            for message in (robot.sense(source.topic, now_ns),)
        )
        assert [kinds[source.topic] for source in engine.wiring.sources] == [
            source.type for source in engine.wiring.sources
        ]
        start = EpisodeStart(f'seed-{seed}', seed) if tick == 0 else None
        request = engine.observe(TickInputs(taken, now_ns, now_ns, now_ns, start), state)
        assert request.observation is not None, request
        expected = training.observe(
            robot.ranges(), robot.pose, robot.velocity, robot.goal, last_action
        )
        seen = request.observation.inputs['obs']
        assert seen.dtype == expected.dtype == np.float32
        assert seen.tobytes() == expected.tobytes(), f'tick {tick}: {seen[0] - expected}'
        # Some beyond [-1, 1], as the unclipped mean of a policy can be.
        action = random.uniform(-1.5, 1.5, (1, training.ACTIONS)).astype(np.float32)
        answer = Answer(AnswerKind.RESULT, {'action': action})
        record, state = engine.conclude(request, answer, state)
        last_action = np.clip(action[0].astype(np.float64), -1.0, 1.0)
        command = messages().decode(record.commands[0], 'geometry_msgs/msg/TwistStamped')
        assert (command.twist.linear.x, command.twist.angular.z) == training.twist(last_action)
        robot.command('cmd_vel', command)
        for _ in range(robot.control_ns // robot.step_ns):
            robot.step()
