"""The loop with real sessions and workers, and topics that no middleware is behind."""

from __future__ import annotations

import os
import signal
import threading
import time
import types

import pytest
from backend_cases import bundle, contract, onnx_model
from ros_messages import joint_state
from tiny_session import WIRING, edited

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.ros.feed import Feed
from fournex_runtime.ros.loop import Loop
from fournex_runtime.ros.paced import Clock
from fournex_runtime.ros.session_loading import load_sessions
from fournex_runtime.ros.tick_stages import Outlets
from fournex_runtime.session.tick import Mode, Received
from fournex_runtime.session.wiring import load_wiring

ROS_NS = 1_000_000_000
CALM = """\
    fallback:
      calm:
        policy: hangs
        inputs:
          joint_position: {topic: others, type: sensor_msgs/msg/JointState, budget: 500 s}
"""
PERIODS_MS = {'hangs': 60_000, 'quick': 10}


class Silent:
    """A topic whose messages are put into its feed by hand."""

    def __init__(self, name: str) -> None:
        self.name = name

    def take(self) -> list[Received]:
        return []


@pytest.fixture
def sessions(tmp_path, request):
    """
    Return two sessions with a message each; the policy of the first one never answers.

    With ``second`` as parameter that is its second policy, which has to act at once.
    """
    second = getattr(request, 'param', 'first') == 'second'
    text, session = WIRING.split('  tiny:\n')
    for name, period_ms in PERIODS_MS.items():
        words = edited(
            contract('onnx', 'policy.onnx', 'recurrent'),
            ('period: 20 ms', f'period: {period_ms} ms'),
        )
        bundle(tmp_path / name, onnx_model('recurrent', 'batch'), words, 'policy.onnx')
        text += f'  {name}:\n' + edited(
            session,
            ('policy: bundle', f'policy: {name}'),
            ('topic: commands', f'topic: {name}/commands'),
            ('budget: 50 ms', 'budget: 500 s'),
            ('reward: {topic: reward, type: std_msgs/msg/Float64}', 'inference: {batch: false}'),
        )
    if second:
        text = edited(text, ('stale: hold 60 ms then', 'stale: policy calm then'))
        mine, others = text.split('  quick:\n')
        mine = edited(mine, ('budget: 500 s', 'budget: 1 ns'))
        others = edited(others, ('stale: policy calm then', 'stale: hold 60 ms then'))
        text = f'{mine}{CALM}  quick:\n{others}'
    file = tmp_path / 'wiring.yaml'
    file.write_text(text)
    found = load_sessions(load_wiring(file), messages(), '', '', 0)
    for one in found:
        feeds = [Feed(Silent(f'/{one.name}/{s.topic}')) for s in one.engine.wiring.sources]
        one.bind(feeds)
        received = Received(1, time.monotonic_ns(), joint_state(['a', 'b'], [0.1, 0.2], ROS_NS))
        one.rehearse([[received]] * len(feeds), ROS_NS, messages(), ['commands'])
        one.begin(Outlets([lambda data, number: None], None, lambda *event: None))
        for feed in feeds:
            feed.push(received)
    (asked,) = found[0].seconds.values() if second else [found[0].policy]
    os.kill(asked.backend.pid, signal.SIGSTOP)
    yield found
    for one in found:
        one.close()


@pytest.fixture
def loop():
    return Loop(Clock(lambda: ROS_NS), None)


@pytest.mark.parametrize('sessions', ['first', 'second'], indirect=True)
def test_calls_are_served_and_ticks_committed_while_an_answer_is_awaited(loop, sessions):
    hangs, quick = sessions
    committed, served = [], []
    loop.after_tick = lambda: committed.append(quick.state.tick)

    def others() -> None:
        try:
            while len(committed) < 5:
                served.append(loop.call(lambda: hangs.state.tick, 20.0))
        finally:
            loop.quit()

    thread = threading.Thread(target=others)
    loop.start(sessions)
    thread.start()
    loop.run()
    thread.join()
    assert committed[:5] == [1, 2, 3, 4, 5], 'though the other tick is under way'
    assert served and set(served) == {0}


def test_a_stop_after_an_error_takes_the_messages_of_the_ticks_that_it_ends(loop, sessions):
    hangs, quick = sessions
    problems = []
    loop.failed = lambda problem: (problems.append(problem), loop.quit())
    broken = quick.conclude_tick

    def raises(self, begun, answered):
        self.conclude_tick = broken
        assert hangs.state.latched == (None,) and hangs.held() == []
        raise ArithmeticError('as a defect would')

    quick.conclude_tick = types.MethodType(raises, quick)
    loop.start(sessions)
    loop.run()
    assert [str(one) for one in problems] == ['as a defect would']
    for one in sessions:
        assert (one.state.tick, one.state.mode) == (1, Mode.STOPPED)
        assert one.state.cause == 'internal error: as a defect would'
        assert one.state.latched[0].index == 1, 'not lost with the tick that took it'
