"""Command topics: nobody else commands, somebody listens, nothing comes back as an input."""

from __future__ import annotations

from ..pipeline.ports import Qos, Target
from .finding import Finding, failure, passed, warning
from .survey import Case, Survey, Topic
from .topics import nearest_topic, qos_mismatch

COMMAND_QOS = Qos('reliable', 'volatile', 1)
"""How commands are published."""
GUARD_SUFFIX = '_guard'
"""
How the name of a guard's node ends; before it stands that of the runtime's node.

A guard publishes nothing as long as somebody else commands.
"""


def check_commands(case: Case, survey: Survey) -> list[Finding]:
    """Compare the targets of a session with the graph."""
    found: list[Finding] = []
    inputs = {survey.topics[source.topic].name: source.topic for source in case.wiring.sources}
    for target in case.wiring.targets:
        about, topic = f'outputs.{target.term}', survey.topics[target.topic]
        found.append(commander(about, topic))
        found += _listeners(about, target, topic, survey)
        if topic.name in inputs:
            found.append(
                failure(
                    'loop_back',
                    about,
                    f'{topic.name} is commanded and read by this session: the policy would see '
                    'its own commands as a sensor',
                    'Read the topic of the sensor or of the operator; for its own action the '
                    'contract has last_action',
                )
            )
        else:
            found.append(passed('loop_back', about, f'{topic.name} is no input'))
    return found


def commander(about: str, topic: Topic) -> Finding:
    """
    Return whether somebody else commands a topic.

    Publishers are counted and not told by name, since two nodes can have one name.
    """
    others = [one for one in topic.publishers if not one.node.endswith(GUARD_SUFFIX)]
    if not others:
        return passed('commander', about, f'nobody else publishes {topic.name}')
    names = sorted({one.node for one in others if 'UNKNOWN' not in one.node})
    return failure(
        'commander',
        about,
        f'{topic.name} is commanded by {", ".join(names) or "another node"} already; two '
        'publishers on one command topic fight over the robot',
        'End the other one, or wire another topic',
    )


def _listeners(about: str, target: Target, topic: Topic, survey: Survey) -> list[Finding]:
    if not topic.subscribers:
        what = f'nobody subscribes to {topic.name} ({target.type}) yet'
        alike = {name: types for name, types in survey.subscribed.items() if target.type in types}
        what += nearest_topic(topic.name, target.type, alike)
        return [warning('listener', about, what, 'Start the controller, or mend the topic')]
    found = []
    for one in topic.subscribers:
        if one.type != target.type:
            found.append(
                failure(
                    'type',
                    about,
                    f'{topic.name} is subscribed as {one.type} by {one.node}, wired as '
                    f'{target.type}',
                    f'Write type: {one.type}, or another topic',
                )
            )
        lacking = qos_mismatch(offered=COMMAND_QOS, requested=one)
        if lacking:
            found.append(
                failure(
                    'qos',
                    about,
                    f'{topic.name}: {one.node} asks for {lacking}, as commands are',
                    'Let the subscriber take reliable and volatile messages',
                )
            )
    names = ', '.join(sorted(one.node for one in topic.subscribers))
    return found or [passed('listener', about, f'{topic.name} is read by {names}')]
