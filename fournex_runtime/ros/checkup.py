"""The doctor's checks at an activation: of the graph, then of the first messages."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

from rclpy.node import Node

from ..configuration import FOREVER_NS
from ..doctor.examination import examine_graph, examine_messages
from ..doctor.finding import CHECKS, Finding, Level, When
from ..doctor.inference import check_inference
from ..doctor.survey import Case, Clock, Sample, Survey, Topic, second_name
from ..errors import GraphError
from ..pipeline.messages import Messages
from ..session.load import TickCost
from ..session.tick import Received
from ..session.wiring import SessionWiring
from .controllers import ask_controllers
from .endpoints import graph_topic, named_topic, published_topics, subscribed_topics
from .hosted import HostedSession


class Checkup:
    """
    Examines the sessions of an activation, and refuses what fails.

    :param node: the runtime's node.
    :param sessions: the configured sessions.
    :param messages: the message types.
    :param frame_prefix: put before the contract's frame names.
    :param overrides: names of checks whose failure is no reason to refuse.
    """

    def __init__(
        self,
        node: Node,
        sessions: Sequence[HostedSession],
        messages: Messages,
        frame_prefix: str,
        overrides: frozenset[str],
    ) -> None:
        self._node = node
        self._messages = messages
        self._overrides = overrides
        self._cases = [
            Case(one.engine.bundle, one.engine.wiring, messages, frame_prefix) for one in sessions
        ]
        self.overridden: dict[str, str] = {}
        """What failed and was overridden, in words, by check."""
        self.topics: dict[str, Topic] = {}
        """The topics of the wirings by their names there."""

    def graph(self) -> None:
        """
        Look at the graph, before anything is created.

        :raises GraphError: it does not have what the wiring names.
        """
        read = {source.topic for one in self._cases for source in one.wiring.sources}
        commanded = {target.topic for one in self._cases for target in one.wiring.targets}
        self.topics = {
            **{name: graph_topic(self._node, name) for name in sorted(read)},
            **{name: named_topic(self._node, name) for name in sorted(commanded)},  # by a guard?
        }
        self._survey = Survey(
            0, 0, self.topics, published_topics(self._node), subscribed_topics(self._node)
        )
        self._judge([(one.wiring, examine_graph(one, self._survey)) for one in self._cases])

    def first_messages(self, first: Mapping[str, Sequence[Received]], description: str) -> None:
        """
        Look at the first message of each topic, and at who listens to the commands.

        :param first: the messages by the topic's name in the wiring.
        :param description: the robot's URDF; empty without one.
        :raises GraphError: a session could not begin with them.
        """
        targets = {part.topic for one in self._cases for part in one.wiring.targets}
        controllers, problem = ask_controllers(self._node, sorted(targets))
        types = {part.topic: part.type for one in self._cases for part in one.wiring.sources}
        self._survey = dataclasses.replace(
            self._survey,
            end_ns=max((one.arrival_ns for taken in first.values() for one in taken), default=0),
            topics={
                name: dataclasses.replace(
                    topic, samples=self._samples(first.get(name, ()), types.get(name, ''))
                )
                for name, topic in self.topics.items()
            },
            clock=Clock(
                followed=bool(self._node.get_parameter('use_sim_time').value),
                published=bool(graph_topic(self._node, '/clock').publishers),
                system_ns=time.time_ns(),
            ),
            robot_description=description,
            controllers=controllers,
            controllers_problem=problem,
        )
        self._judge([(one.wiring, examine_messages(one, self._survey)) for one in self._cases])

    def inference(self, costs: Sequence[TickCost]) -> None:
        """
        Judge whether each policy can be in time at all.

        :param costs: what the sessions' ticks took at least.
        :raises GraphError: one takes longer to answer than it may.
        """
        fastest_ns = {one.session: one.answer_ns for one in costs} | {
            second_name(one.session, name): answer_ns
            for one in costs
            for name, answer_ns in one.seconds_ns.items()
        }
        survey = dataclasses.replace(
            self._survey,
            inference_ns={name: (one,) for name, one in fastest_ns.items() if one < FOREVER_NS},
        )
        self._judge([(one.wiring, check_inference(one, survey)) for one in self._cases])

    def _samples(self, received: Sequence[Received], kind: str) -> tuple[Sample, ...]:
        ahead_ns = int(self._node.get_clock().now().nanoseconds) - time.monotonic_ns()
        return tuple(
            Sample(
                one.arrival_ns,
                one.arrival_ns + ahead_ns,
                self._messages.stamp_ns(one.data, kind),
                one.data,
            )
            for one in received
        )

    def _judge(self, found: Sequence[tuple[SessionWiring, list[Finding]]]) -> None:
        """
        Log the warnings and what could not be checked; refuse the failures, all at once.

        But for those that are overridden: these are logged and remembered.
        """
        logger, refused = self._node.get_logger(), []
        for wiring, findings in found:
            for one in findings:
                words = f'sessions.{wiring.name}: {one.text}'
                if one.level is Level.FAILURE and one.check in self._overrides:
                    logger.error(f'overridden: {words}')
                    before = self.overridden.get(one.check)
                    self.overridden[one.check] = f'{before}; {words}' if before else words
                elif one.level is Level.FAILURE:
                    refused.append(
                        f'{words.removesuffix(f"[{one.check}]")}{_way_round(one.check)}'
                    )
                elif one.level is Level.WARNING:
                    logger.warning(words)
                elif one.level is Level.NOT_CHECKED:
                    logger.info(f'not checked: {words}')
        if refused:
            raise GraphError('\n'.join(refused))


def _way_round(check: str) -> str:
    """Return a check's name, and how to begin in spite of its failure where that is possible."""
    if CHECKS[check].when is not When.OVERRIDE:
        return f'[{check}]'
    return f'[{check}; --override {check} begins all the same]'
