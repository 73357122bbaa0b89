"""What a session can publish: safe actions as the bytes of messages, and its stop command."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ..errors import MessageError, WiringError
from ..finite import all_finite
from ..pipeline.command_readers import CommandReader, command_reader
from ..pipeline.command_terms import build_encoder
from ..pipeline.command_values import CommandPart
from ..pipeline.joint_commands import Encoder
from ..pipeline.messages import Messages
from ..pipeline.ports import Target
from ..policy.contract import Contract
from .tick import SafeAction, Vector, frozen
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
        self._terms = [
            [index for index, one in enumerate(wiring.term_targets) if one.topic == target.topic]
            for target in wiring.targets
        ]
        self._encoders = [
            self._encoder(target, indices, frame_prefix)
            for target, indices in zip(wiring.targets, self._terms)
        ]
        self._stops = [self._checked_stop(index) for index in range(len(wiring.stops))]
        self._readers = [self._held_readers(indices, frame_prefix) for indices in self._terms]

    def _encoder(self, target: Target, indices: Sequence[int], frame_prefix: str) -> Encoder:
        """Return what makes one topic's command of the values of its terms."""
        parts = [self._part(index, frame_prefix) for index in indices]
        try:
            return build_encoder(parts, self._messages)
        except (WiringError, MessageError) as problem:
            raise WiringError(f'{target.where}: {problem}') from problem

    def _held_readers(self, indices: Sequence[int], frame_prefix: str) -> dict[int, CommandReader]:
        """Return what reads the terms of one topic that have no stop command of their own."""
        return {
            index: command_reader(self._part(index, frame_prefix))
            for index in indices
            if self._stops[index] is None
        }

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

    def held(self, latest: Sequence[bytes | None]) -> SafeAction:
        """
        Return what terms that are to hold were commanded last, for who knows the messages alone.

        :param latest: the newest message of each command topic, CDR bytes; None where none came.
        :returns: by action term; None where a topic has nothing to hold, and for all terms of a
            message that is not there or cannot be used.
        """
        found: list[Vector | None] = [None] * len(self._stops)
        for target, readers, data in zip(self._wiring.targets, self._readers, latest):
            if data is None or not readers:
                continue
            try:
                message = self._messages.decode(data, target.type)
                values = {index: frozen(read(message)) for index, read in readers.items()}
            except MessageError:
                continue
            if all(map(all_finite, values.values())):
                for index, one in values.items():
                    found[index] = one
        return tuple(found)

    def stop(self, last_safe: SafeAction | None) -> SafeAction | None:
        """
        Return the stop command of every action term.

        A term that is to hold a command which it never got has none, and so have the others of
        its message; that keeps nobody else from stopping.

        :param last_safe: the last safe action; None before the first.
        :returns: None if no term has one.
        """
        before = last_safe or (None,) * len(self._stops)
        found = [held if stop is None else stop for stop, held in zip(self._stops, before)]
        for indices in self._terms:
            if any(found[index] is None for index in indices):
                for index in indices:
                    found[index] = None
        return None if all(one is None for one in found) else tuple(found)

    def encode(
        self, safe: SafeAction | None, ros_ns: int, counts: tuple[int, ...]
    ) -> tuple[tuple[bytes | None, ...], tuple[int, ...], tuple[int, ...]]:
        """
        Return the messages to publish, one a topic, their numbers there, and the new counts.

        :param safe: the safe action of every term; None publishes nothing.
        :param ros_ns: ROS clock of the tick, for the messages' stamps.
        :param counts: how many each topic has had before.
        :returns: None and the number 0 for a topic whose terms have no command.
        """
        if safe is None:
            return (), (), counts
        commands: list[bytes | None] = []
        numbers, after = [], []
        for encode, indices, count in zip(self._encoders, self._terms, counts):
            values = []
            for index in indices:
                one = safe[index]
                if one is not None:
                    values.append(one)
            whole = len(values) == len(indices)
            commands.append(encode(values, ros_ns) if whole else None)
            numbers.append(count + 1 if whole else 0)
            after.append(count + whole)
        return tuple(commands), tuple(numbers), tuple(after)

    def by_term(self, safe: SafeAction | None) -> dict[str, Vector]:
        """Return what each action term commands, by name; without those that command nothing."""
        found: dict[str, Vector] = {}
        if safe is not None:
            for target, values in zip(self._wiring.term_targets, safe):
                if values is not None:
                    found[target.term] = values
        return found
