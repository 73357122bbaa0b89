"""The ticks before the first one look at the messages, however long activation has taken."""

import time

import pytest
from ros_messages import joint_state
from tiny_session import make_engine, result

from fournex_runtime.errors import GraphError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.ros.hosted import HostedSession
from fournex_runtime.ros.rehearsal import REHEARSALS
from fournex_runtime.session.shared_policy import SharedPolicy
from fournex_runtime.session.tick import Received

LONG_AGO_NS = 10_000_000_000  # the budget is 50 ms


class Policy:
    """Answers, and counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    def run(self, inputs, state):
        self.asked += 1
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
