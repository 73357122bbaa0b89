"""What a session can publish: safe actions as the bytes of messages, and its stop command."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..errors import MessageError, WiringError
from ..pipeline.command_terms import build_encoder
from ..pipeline.command_values import CommandPart
from ..pipeline.joint_commands import Encoder
from ..pipeline.messages import Messages
from ..pipeline.ports import Target
from ..policy.contract import Contract
from .tick import Vector, frozen
from .wiring_types import SessionWiring


class SessionCommands:
    """
    The command topics of a session.

    :param contract: what the actions are.
    :param wiring: where they go.
    :param messages: the message types.
    :param frame_prefix: put before the frame names of commands.
    :raises WiringError: a message type cannot carry its terms, or a stop command is outside its
        limits.
    """

    def __init__(
        self, contract: Contract, wiring: SessionWiring, messages: Messages, frame_prefix: str
    ) -> None:
        self._contract = contract
        self._wiring = wiring
        self._messages = messages
        self._encoders = [self._encoder(target, frame_prefix) for target in wiring.targets]
        self._stops = [self._checked_stop(index) for index in range(len(wiring.stops))]

    def _encoder(self, target: Target, frame_prefix: str) -> Encoder:
        """Return what makes one topic's command of the values of all terms."""
        indices = [
            index
            for index, one in enumerate(self._wiring.term_targets)
            if one.topic == target.topic
        ]
        parts = [self._part(index, frame_prefix) for index in indices]
        try:
            encode = build_encoder(parts, self._messages)
        except (WiringError, MessageError) as problem:
            raise WiringError(f'{target.where}: {problem}') from problem
        return lambda safe, ros_ns: encode([safe[index] for index in indices], ros_ns)

    def _part(self, index: int, frame_prefix: str) -> CommandPart:
        target, limits = self._wiring.term_targets[index], self._wiring.limits[index]
        if target.frame:
            target = dataclasses.replace(target, frame=frame_prefix + target.frame)
        term = self._contract.action_terms[index]
        return CommandPart(term, target, np.array(limits.low), np.array(limits.high))

    def _checked_stop(self, index: int) -> Vector | None:
        stop, limits = self._wiring.stops[index].values, self._wiring.limits[index]
        if stop is None:
            return None
        for label, value, low, high in zip(limits.labels, stop, limits.low, limits.high):
            if not low <= value <= high:
                raise WiringError(
                    f'{self._wiring.term_targets[index].where}.stop: {label} {value} is outside '
                    f'its limits {low} to {high}'
                )
        return frozen(np.array(stop))

    def stop(self, last_safe: tuple[Vector, ...] | None) -> tuple[Vector, ...] | None:
        """
        Return the stop command of every action term.

        :param last_safe: the last safe action; None before the first.
        :returns: None if a term is to hold a command that it never got.
        """
        if any(stop is None for stop in self._stops) and last_safe is None:
            return None
        before = last_safe or ()
        return tuple(
            before[index] if stop is None else stop for index, stop in enumerate(self._stops)
        )

    def encode(
        self, safe: tuple[Vector, ...] | None, ros_ns: int, counts: tuple[int, ...]
    ) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
        """
        Return the messages to publish, one a topic, and how many each topic has had with them.

        :param safe: the safe action of every term; None publishes nothing.
        :param ros_ns: ROS clock of the tick, for the messages' stamps.
        :param counts: how many each topic has had before.
        """
        if safe is None:
            return (), counts
        commands = tuple(encode(safe, ros_ns) for encode in self._encoders)
        return commands, tuple(count + 1 for count in counts)
