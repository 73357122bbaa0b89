"""Who stops the robot when commands end, because the runtime was killed."""

from __future__ import annotations

from ..pipeline.ports import Target
from ..session.wiring import StopCommand
from .commands import GUARD_SUFFIX
from .finding import Finding, failure, not_checked, passed
from .survey import Case, Survey


def check_command_timeouts(case: Case, survey: Survey) -> list[Finding]:
    """Judge every command topic of a session."""
    return [_judge(case, target, survey) for target in case.wiring.targets]


def _judge(case: Case, target: Target, survey: Survey) -> Finding:
    about, topic = f'outputs.{target.term}', survey.topics[target.topic]
    if all(stop.values is None for stop in _stops(case, target)):
        words = 'without commands it keeps the last one, as stop: hold would'
        return passed('command_timeout', about, words)
    guards = [one.node for one in topic.publishers if one.node.endswith(GUARD_SUFFIX)]
    if guards:
        return passed('command_timeout', about, f'{guards[0]} takes over')
    if target.consumer_timeout_ns:
        words = f'it stops after {target.consumer_timeout_ns / 1e6:g} ms, as the wiring says'
        return passed('command_timeout', about, words)
    if not topic.subscribers:
        return not_checked('command_timeout', about, f'nobody subscribes to {topic.name} yet')
    timeouts = {one.node: one.timeouts for one in survey.controllers.get(target.topic, ())}
    words = ''
    for node in sorted({one.node for one in topic.subscribers}):
        stops = [(name, s) for name, s in timeouts.get(node, {}).items() if s > 0.0]
        if not stops:
            return failure(
                'command_timeout',
                about,
                f'nothing says that {node} stops when commands end: if the runtime is killed, it '
                'goes on with the last one',
                'Run fournex guard beside it; or, where it stops by itself, write how soon: '
                'consumer_timeout: 500 ms',
            )
        name, seconds = stops[0]
        words += f'; {node} stops after {seconds:g} s ({name})'
    return passed('command_timeout', about, words[2:])


def _stops(case: Case, target: Target) -> list[StopCommand]:
    """Return the stop commands of every term that goes to a topic."""
    terms = zip(case.wiring.term_targets, case.wiring.stops)
    return [stop for term, stop in terms if term.topic == target.topic]
