"""Readers that look at the frame of a message, and what moves between frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..errors import UnresolvedFrame
from .field_path import field_getter
from .fields import Picker, Places, Reader, Vector
from .rotations import Point, Quaternion, product, rotated, unit
from .transforms import Frames, Transform


class Pose(NamedTuple):
    """A pose as readers make it: like ``geometry_msgs/Pose``."""

    position: Point
    orientation: Quaternion


class Header(NamedTuple):
    """The frame of a message as readers make it."""

    frame_id: str


class PoseWithCovariance(NamedTuple):
    """What stands between an odometry and its pose."""

    pose: Pose


class FrameOdometry(NamedTuple):
    """The pose of a frame: like the part of ``nav_msgs/Odometry`` that poses are read from."""

    header: Header
    child_frame_id: str
    pose: PoseWithCovariance


class FramePose:
    """
    A frame in the place of a message: its pose, as tf has it.

    :param label: of the port; for messages.
    :param frame: the frame.
    :param reference: frame to see it in; empty for its own, from which readers move it on.
    """

    def __init__(self, label: str, frame: str, reference: str) -> None:
        self._label = label
        self._frame = frame
        self._reference = reference or frame

    def __call__(self, frames: Frames) -> FrameOdometry:
        """
        Return the pose as an odometry.

        :raises UnresolvedFrame: tf does not know it.
        """
        try:
            there = frames.between(self._reference, self._frame)
        except UnresolvedFrame as problem:
            words = f'{self._label}: where {self._frame!r} is in {self._reference!r}: {problem}'
            raise type(problem)(words) from problem
        pose = Pose(there.translation, there.rotation)
        return FrameOdometry(Header(self._reference), self._frame, PoseWithCovariance(pose))


def between(
    frames: Frames, target: str, source: str, words: str, *, rigid: bool = False
) -> Transform:
    """
    Return what takes one frame to another.

    :param words: what is in which frame and why it must be moved; for messages.
    :raises UnresolvedFrame: it is not known; says the words first.
    """
    try:
        return frames.between(target, source, rigid=rigid)
    except UnresolvedFrame as problem:
        raise type(problem)(f'{words}: {problem}') from problem


def moved_pose(label: str, pose: Any, by: Transform) -> Pose:
    """
    Return a pose in another frame.

    :raises MessageError: its quaternion is no rotation.
    """
    return Pose(by.point(pose.position), product(by.rotation, unit(label, pose.orientation)))


class BodyFrame:
    """
    The frame of the body that a message is about, against the one that the contract wants.

    A velocity or an orientation is that of the body which the message names. The orientation of
    another one follows from where the two are now; its velocity only if it is a part of the same
    rigid body, since tf tells no velocities.

    :param label: of the port; for messages.
    :param field: where the message names the body's frame; empty where it does not.
    :param wanted: the contract's frame; empty for whatever the message has.
    """

    def __init__(self, label: str, field: str, wanted: str) -> None:
        self._label = label
        self._found: Callable[[Any], Any] | None = None
        if field and wanted:
            self._found = field_getter(field)
        self._wanted = wanted

    def is_of(self, message: Any) -> bool:
        """Return whether a message is about the contract's body, or does not say."""
        return self._found is None or bool(self._found(message) == self._wanted)

    def to_wanted(self, message: Any, frames: Frames, *, rigid: bool) -> Transform | None:
        """
        Return what takes the message's body to the contract's; None where they are one.

        :param rigid: the two must be fixed to each other.
        :raises UnresolvedFrame: it is not known, or the two can move.
        """
        if self.is_of(message):
            return None
        assert self._found is not None
        found = self._found(message)
        words = f'{self._label}: is of frame {found!r}, the contract wants {self._wanted!r}'
        return between(frames, self._wanted, found, words, rigid=rigid)


class VelocityReader(Picker):
    """
    The linear or angular velocity of a body, in its own axes.

    :param body: the frames of message and contract.
    :param linear: path of the linear velocity; empty for the angular one alone.
    :param angular: path of the angular velocity.
    :param axes: which values to write.
    """

    def __init__(self, body: BodyFrame, linear: str, angular: str, axes: Sequence[str]) -> None:
        self._body = body
        self._paths = [f'{linear or angular}.{axis}' for axis in axes]
        self._linear = field_getter(linear) if linear else None
        self._angular = field_getter(angular)
        self._axes = [field_getter(axis) for axis in axes]

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the values; the linear velocity of another place is v + ω × r."""
        message = messages[0]
        moved = self._body.to_wanted(message, frames, rigid=True)
        if self._linear is None:
            found = self._angular(message)
            if moved is not None:
                found = rotated(moved.rotation, found)
        else:
            found = self._linear(message)
            if moved is not None:
                found = _at(moved, found, self._angular(message))
        for index, axis in enumerate(self._axes):
            out[index] = axis(found)

    def places(self, message: Any) -> Places | None:
        """Return the velocity's, if it is that of the contract's frame; see :class:`Picker`."""
        return [(path, None) for path in self._paths] if self._body.is_of(message) else None


def _at(moved: Transform, linear: Any, angular: Any) -> Point:
    """Return the velocity of the contract's frame, which sees the message's at ``translation``."""
    v, w = rotated(moved.rotation, linear), rotated(moved.rotation, angular)
    p = moved.translation
    return Point(
        v.x + p.y * w.z - p.z * w.y,
        v.y + p.z * w.x - p.x * w.z,
        v.z + p.x * w.y - p.y * w.x,
    )


class SameFrame(Picker):
    """
    A reader whose message must be in the contract's frame: moving it would change what it says.

    :param reader: the reader.
    :param label: of the port; for messages.
    :param field: where the message names its frame.
    :param wanted: the contract's frame.
    """

    def __init__(self, reader: Reader, label: str, field: str, wanted: str) -> None:
        self._reader = reader
        self._label = label
        self._found = field_getter(field)
        self._wanted = wanted

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the values."""
        found = self._found(messages[0])
        if found != self._wanted:
            raise UnresolvedFrame(
                f'{self._label}: is in frame {found!r}, the contract wants {self._wanted!r}'
            )
        self._reader(messages, out, frames)

    def places(self, message: Any) -> Places | None:
        """Return those of the reader, if the frame is the contract's; see :class:`Picker`."""
        if self._found(message) != self._wanted or not isinstance(self._reader, Picker):
            return None
        return self._reader.places(message)

    def finish(self, out: Vector) -> None:
        """Do what the reader does; see :class:`Picker`."""
        assert isinstance(self._reader, Picker)
        self._reader.finish(out)
