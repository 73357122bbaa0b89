"""Where a term's values come from and go to: topics, fields, joint orders. Plain data."""

from __future__ import annotations

import dataclasses

from .joint_names import JointNames


@dataclasses.dataclass(frozen=True)
class Qos:
    """
    Quality of service that the wiring fixes; empty words and 0 are taken from what is offered.

    :param reliability: ``reliable``, ``best_effort`` or empty.
    :param durability: ``transient_local``, ``volatile`` or empty.
    :param depth: history depth, or 0.
    """

    reliability: str = ''
    durability: str = ''
    depth: int = 0


@dataclasses.dataclass(frozen=True)
class Source:
    """
    A topic that a session samples.

    :param topic: its name as the wiring writes it; relative names resolve in the namespace.
    :param type: its message type.
    :param qos: what the wiring fixes of its quality of service.
    """

    topic: str
    type: str
    qos: Qos = Qos()


class _Labelled:
    """What a port is called in messages."""

    term: str
    port: str
    place: str

    @property
    def label(self) -> str:
        """Return ``term`` or ``term.port``."""
        return f'{self.term}.{self.port}' if self.port else self.term

    @property
    def where(self) -> str:
        """Return the place in the wiring, or the label of a port that is from no file."""
        return self.place or self.label


@dataclasses.dataclass(frozen=True)
class Port(_Labelled):
    """
    How a term reads one of its sources.

    :param term: name of the term in the contract.
    :param port: name of the port of the term's kind; empty for the usual single one.
    :param source: index of the source.
    :param field: path of the field in the message; empty for the kind's own.
    :param joints: the robot's joint names of a nameless array, in the array's order; empty
        otherwise.
    :param budget_ns: greatest age.
    :param place: where the wiring says so, as ``FILE:LINE: PATH``; for messages.
    :param fields: value and path of its field, of a term that is read value by value.
    :param unit: what the robot counts in; empty where it is the contract's unit.
    :param names: what the robot calls the contract's joints.
    :param reference: the frame of a pose whose message does not say it; empty otherwise.
    """

    term: str
    port: str
    source: int
    field: str
    joints: tuple[str, ...]
    budget_ns: int
    place: str = dataclasses.field(default='', compare=False)
    fields: tuple[tuple[str, str], ...] = ()
    unit: str = ''
    names: JointNames = JointNames()
    reference: str = ''


@dataclasses.dataclass(frozen=True)
class FramePort(_Labelled):
    """
    A port that is a frame instead of a topic: where it is, as tf has it.

    :param term: name of the term in the contract.
    :param port: name of the port of the term's kind; empty for the usual single one.
    :param frame: the frame.
    :param reference: the frame to see it in; empty where the term knows by itself.
    :param place: where the wiring says so, as ``FILE:LINE: PATH``; for messages.
    """

    term: str
    port: str
    frame: str
    reference: str = ''
    place: str = dataclasses.field(default='', compare=False)


@dataclasses.dataclass(frozen=True)
class Target:
    """
    Where an action term's values go.

    :param term: name of the action term in the contract.
    :param topic: the command topic as the wiring writes it.
    :param type: its message type.
    :param joints: the robot's joint names of a nameless array, in the array's order; empty
        otherwise.
    :param frame: ``header.frame_id`` of the command, where it has a header.
    :param time_from_start_ns: of the point of a ``JointTrajectory``; 0 for other types.
    :param place: where the wiring says so, as ``FILE:LINE: PATH``; for messages.
    :param names: what the robot calls the contract's joints.
    :param field: path of the array, or of the one number, in any message type; empty for types
        that say it themselves.
    :param fields: value and path of its field, of a term that is sent value by value.
    :param constants: path and value, as the wiring writes it, of what is always the same.
    :param unit: what the robot counts in; empty where it is the contract's unit.
    :param rounding: how values become whole numbers: ``nearest``, or empty where they must not.
    :param consumer_timeout_ns: how long after the last command who takes it stops by itself; 0
        where the wiring does not say.
    """

    term: str
    topic: str
    type: str
    joints: tuple[str, ...]
    frame: str
    time_from_start_ns: int
    place: str = dataclasses.field(default='', compare=False)
    names: JointNames = JointNames()
    field: str = ''
    fields: tuple[tuple[str, str], ...] = ()
    constants: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    unit: str = ''
    rounding: str = ''
    consumer_timeout_ns: int = 0

    @property
    def where(self) -> str:
        """Return the place in the wiring, or the term of a target that is from no file."""
        return self.place or self.term
