"""The runtime as a managed node, driven by the standard lifecycle services."""

from __future__ import annotations

import time

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

STATES = {
    'unconfigured': State.PRIMARY_STATE_UNCONFIGURED,
    'inactive': State.PRIMARY_STATE_INACTIVE,
    'active': State.PRIMARY_STATE_ACTIVE,
}


def change(side, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return side.call(ChangeState, '/fournex/change_state', request, 20.0).success


def state(side) -> str:
    return side.call(GetState, '/fournex/get_state', GetState.Request()).current_state.label


def test_a_manager_takes_it_through_its_states_and_back(robot, runtime):
    side = robot()
    side.state = _leaning
    runtime(autostart=False)
    assert state(side) == 'unconfigured'
    assert change(side, Transition.TRANSITION_CONFIGURE)
    assert state(side) == 'inactive'
    time.sleep(0.2)
    assert side.commands == [], 'nothing is published before activation'
    for _ in range(2):
        assert change(side, Transition.TRANSITION_ACTIVATE)
        assert state(side) == 'active'
        side.wait_for_commands(10)
        assert change(side, Transition.TRANSITION_DEACTIVATE)
        time.sleep(0.3)
        assert side.commands[-1].values == (0.0,)
        count = len(side.commands)
        time.sleep(0.3)
        assert len(side.commands) == count, 'nothing is published after deactivation'
    assert change(side, Transition.TRANSITION_CLEANUP)
    assert state(side) == 'unconfigured'
    assert change(side, Transition.TRANSITION_CONFIGURE)


def test_a_failed_transition_leaves_the_state_and_can_be_tried_again(robot, runtime):
    side = robot()
    side.state = lambda: None
    process = runtime(autostart=False, graph_timeout=0.5)
    assert change(side, Transition.TRANSITION_CONFIGURE)
    assert not change(side, Transition.TRANSITION_ACTIVATE)
    assert state(side) == 'inactive'
    assert 'no message on /joint_states' in process.text()
    side.state = _leaning
    assert change(side, Transition.TRANSITION_ACTIVATE)
    side.wait_for_commands(5)


def test_all_sessions_are_activated_or_none(robot, runtime, wiring_file):
    side = robot()
    text = wiring_file().read_text()
    file = wiring_file()
    second = text[text.index('  pendulum:') :].replace('  pendulum:', '  twin:', 1)
    second = second.replace('topic: joint_states', 'topic: twin/joint_states')
    second = second.replace('effort_controller/commands', 'twin/commands')
    file.write_text(text + second)
    process = runtime(file, graph_timeout=4.0)
    assert process.wait(20) == 2
    assert 'nobody publishes /twin/joint_states' in process.text()
    assert side.commands == []


def test_services_answer_while_a_transition_is_under_way(robot, runtime):
    side = robot()
    side.state = lambda: None
    runtime(autostart=False, graph_timeout=3.0)
    assert change(side, Transition.TRANSITION_CONFIGURE)
    client = side.node.create_client(ChangeState, '/fournex/change_state')
    assert client.wait_for_service(5.0)
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
    pending = client.call_async(request)
    time.sleep(0.3)
    assert state(side) == 'activating'
    assert not pending.done()
    side.state = _leaning
    side.wait(pending.done, what='the activation ends')
    assert pending.result().success


def _leaning() -> bytes:
    from robot_side import joint_state

    return joint_state((0.0, 0.05))
