"""
A session of two joints, small enough to compute by hand: no file, no artifact, no ROS.

The policy sees each joint's position now and one tick ago, and its own last action; it commands
two velocities, and remembers two numbers. A test plays the policy itself.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from ros_messages import joint_state

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.bundle import Bundle
from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import (
    Answer,
    AnswerKind,
    EpisodeStart,
    PolicyChoice,
    Received,
    Request,
    TickInputs,
    TickRecord,
)
from fournex_runtime.session.wiring import parse_wiring

CONTRACT = """\
name: tiny
version: 1
period: 20 ms
inputs:
  obs:
    - term: joint_position
      joints: [a, b]
      history: 2
      order: oldest_first
    - {term: last_action, of: clipped}
state:
  h: {shape: [1, 2], input: h_in, output: h_out, initial: zeros, reset: episode}
outputs:
  action:
    - {term: joint_velocity_target, joints: same, clip: [-1.0, 1.0], scale: 2.0}
artifact:
  file: policy.onnx
  sha256: '0000000000000000000000000000000000000000000000000000000000000000'
  backend: onnx
"""
WIRING = """\
robot: tiny
sessions:
  tiny:
    policy: bundle
    inputs:
      joint_position: {topic: joint_states, type: sensor_msgs/msg/JointState, budget: 50 ms}
    outputs:
      joint_velocity_target:
        topic: commands
        type: std_msgs/msg/Float64MultiArray
        joints: [b, a]
        stop: zero
    limits:
      joint_velocity_target:
        all: {min: -1.5, max: 1.5, rate: unlimited}
    reactions:
      default: stop
      stale: hold 60 ms then stop
    reward: {topic: reward, type: std_msgs/msg/Float64}
"""
PERIOD_NS = 20_000_000
MS = 1_000_000


def edited(text: str, *changes: tuple[str, str]) -> str:
    """Return a text with parts replaced; each part must be there."""
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text


def make_bundle(contract: str = CONTRACT, statistics: Any = ()) -> Bundle:
    """Return a bundle in memory."""
    return Bundle(
        pathlib.Path('bundle'),
        parse_contract(contract),
        '0' * 64,
        b'no artifact',
        dict(statistics),
    )


def make_engine(
    contract: str = CONTRACT, wiring: str = WIRING, frame_prefix: str = '', statistics: Any = ()
) -> Engine:
    """Return the engine of the first session of a wiring."""
    bundle = make_bundle(contract, statistics)
    names = [
        line.strip(' :')
        for line in wiring.splitlines()
        if line.startswith('  ') and line[2] != ' '
    ]
    read = parse_wiring(wiring, pathlib.Path('wiring.yaml'), dict.fromkeys(names, bundle))
    return Engine(bundle, read.sessions[0], messages(), frame_prefix)


def result(*action: float, h: tuple[float, float] = (0.0, 0.0)) -> Answer:
    """Return what the policy would answer."""
    return Answer(
        AnswerKind.RESULT,
        {'action': np.array([action], np.float32)},
        {'h': np.array([h], np.float32)},
    )


class Run:
    """
    Ticks of one session, 20 ms apart, beginning at 1 s.

    :param engine: the session; the tiny one when left out.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or make_engine()
        self.state = self.engine.initial_state()
        self.now_ns = 1_000_000_000
        self.request: Request | None = None
        self._counts = [0] * len(self.engine.wiring.sources)

    def take(self, source: int, data: bytes) -> Received:
        """Return a message that arrives now."""
        self._counts[source] += 1
        return Received(self._counts[source], self.now_ns, data)

    def tick(
        self,
        *data: list[bytes],
        answer: Answer | Callable[[Request], Answer] | None = None,
        episode: str = '',
        seed: int = 7,
        stop: str = '',
        policy: str | None = None,
    ) -> TickRecord:
        """
        Run one tick and let a period pass.

        :param data: messages of each source, in order; sources left out got none.
        :param answer: the policy's, where it is asked, or the policy; ``result(0.5, -0.5)`` when
            left out.
        :param episode: begin an episode of this id, with this seed.
        :param policy: let this one act from now on; empty for the session's own.
        """
        sources = [*data, *[[]] * (len(self._counts) - len(data))]
        inputs = TickInputs(
            messages=tuple(
                tuple(self.take(source, one) for one in given)
                for source, given in enumerate(sources)
            ),
            due_ns=self.now_ns,
            steady_ns=self.now_ns,
            ros_ns=self.now_ns,
            episode=EpisodeStart(episode, seed) if episode else None,
            stop=stop,
            policy=None if policy is None else PolicyChoice(policy),
        )
        self.request = self.engine.observe(inputs, self.state)
        asked = self.request.observation is not None
        given = Answer(AnswerKind.NONE)
        if asked:
            given = answer(self.request) if callable(answer) else answer or result(0.5, -0.5)
        record, self.state = self.engine.conclude(self.request, given, self.state)
        self.now_ns += PERIOD_NS
        return record

    def joints(self, a: float = 0.1, b: float = 0.2) -> list[bytes]:
        """Return a joint state that is stamped now."""
        return [joint_state(['a', 'b'], [a, b], self.now_ns)]


def commanded(record: TickRecord) -> list[float] | None:
    """Return the bytes that a tick published, decoded: the values of the array in its order."""
    if not record.commands:
        return None
    message = messages().decode(record.commands[0], 'std_msgs/msg/Float64MultiArray')
    return message.data.tolist()
