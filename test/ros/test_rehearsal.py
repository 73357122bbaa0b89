"""The ticks before the first one look at the messages, however long activation has taken."""

import pathlib
import time

import pytest
from ros_messages import joint_state
from tiny_session import CONTRACT, WIRING, edited, make_bundle, make_engine, result

from fournex_runtime.configuration import FOREVER_NS
from fournex_runtime.errors import GraphError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.ros.hosted import HostedSession
from fournex_runtime.ros.rehearsal import REHEARSALS
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.shared_policy import SharedPolicy
from fournex_runtime.session.tick import Received
from fournex_runtime.session.wiring import fallback_key, parse_wiring

LONG_AGO_NS = 10_000_000_000  # the budget is 50 ms


class Policy:
    """Answers, and counts how often it was asked."""

    def __init__(self, takes_s=0.0):
        self.asked = 0
        self.takes_s = takes_s

    def run(self, inputs, state):
        self.asked += 1
        time.sleep(self.takes_s)
        answer = result(0.5, -0.5)
        return answer.outputs, answer.state


def rehearse(names):
    policy = Policy()
    session = HostedSession(make_engine(), SharedPolicy(policy))
    ros_ns = time.time_ns()
    data = joint_state(names, [0.1, 0.2], ros_ns - LONG_AGO_NS)
    received = Received(1, time.monotonic_ns() - LONG_AGO_NS, data)
    session.rehearse([[received], []], ros_ns, messages(), ['/commands'])
    return policy.asked


def test_a_message_that_came_long_ago_is_looked_at():
    with pytest.raises(GraphError, match="no joint 'b'; it has a, c"):
        rehearse(['a', 'c'])


def test_and_the_policy_is_asked():
    assert rehearse(['a', 'b']) == REHEARSALS


@pytest.mark.parametrize('topic', ['joint_states', 'others'])
def test_a_second_policy_is_timed_where_its_inputs_have_come(topic):
    calm = make_bundle(edited(CONTRACT, ('name: tiny', 'name: calm')))
    beside = f"""\
    fallback:
      calm:
        policy: calm
        inputs:
          joint_position: {{topic: {topic}, type: sensor_msgs/msg/JointState, budget: 50 ms}}
    reward:"""
    bundles = {'tiny': make_bundle(), fallback_key('tiny', 0): calm}
    text = edited(WIRING, ('    reward:', beside))
    wiring = parse_wiring(text, pathlib.Path('wiring.yaml'), bundles).sessions[0]
    slow = Policy(takes_s=0.03)  # the period is 20 ms
    engine = Engine(bundles['tiny'], wiring, messages())
    session = HostedSession(engine, SharedPolicy(Policy()), 0, {'calm': SharedPolicy(slow)})
    ros_ns = time.time_ns()
    received = Received(1, time.monotonic_ns(), joint_state(['a', 'b'], [0.1, 0.2], ros_ns))
    first = [[received] if one.topic == 'joint_states' else [] for one in wiring.sources]
    cost = session.rehearse(first, ros_ns, messages(), ['/commands'])
    if topic == 'joint_states':
        assert 30_000_000 <= cost.seconds_ns['calm'] < FOREVER_NS
        assert slow.asked >= REHEARSALS
    else:
        assert cost.seconds_ns == {'calm': FOREVER_NS} and not slow.asked
