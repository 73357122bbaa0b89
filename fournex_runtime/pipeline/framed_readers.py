"""Readers that look at the frame of a message, and what moves between frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..errors import UnresolvedFrame
from .field_path import field_getter
from .fields import Bound, Picker, Places, Reader, Vector, bound_to
from .rotations import Point, Quaternion, product, rotated, unit
from .transforms import Frames, Transform

Mover = Callable[[Frames], Transform]
"""Finds what takes one frame to another, as the frames are now."""


def places_of(paths: Sequence[str], values: Sequence[str]) -> Places:
    """Return the places of the same values at each of some paths."""
    return [(f'{path}.{value}', None) for path in paths for value in values]


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

    def mover(self, message: Any, *, rigid: bool) -> Mover | None:
        """
        Return what finds the way from the message's body to the contract's; None: they are one.

        :param rigid: the two must be fixed to each other.
        """
        if self._found is None:
            return None  # it does not say, or nobody asks
        found, wanted = self._found(message), self._wanted
        if found == wanted:
            return None
        words = f'{self._label}: is of frame {found!r}, the contract wants {wanted!r}'
        return lambda frames: between(frames, wanted, found, words, rigid=rigid)


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
        self._linear, self._angular = linear, angular
        self._of_linear = field_getter(linear) if linear else None
        self._of_angular = field_getter(angular)
        self._labels = axes
        self._axes = [field_getter(axis) for axis in axes]

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the values; the linear velocity of another place is v + ω × r."""
        message = messages[0]
        move = self._body.mover(message, rigid=True)
        linear = None if self._of_linear is None else self._of_linear(message)
        self._write(linear, self._of_angular(message), move, out, frames)

    def bound(self, messages: Sequence[Any]) -> Bound:
        """Return the velocity, or both where it is to be moved; see :class:`Picker`."""
        move = self._body.mover(messages[0], rigid=True)
        if move is None:
            path = self._linear or self._angular
            return Bound([[(f'{path}.{axis}', None) for axis in self._labels]])
        paths = [path for path in (self._linear, self._angular) if path]

        def write(numbers: Sequence[Vector], out: Vector, frames: Frames) -> None:
            values = numbers[0].tolist()
            linear = Point(*values[:3]) if len(values) == 6 else None
            self._write(linear, Point(*values[-3:]), move, out, frames)

        return Bound([places_of(paths, 'xyz')], write, moves=True)

    def _write(
        self, linear: Any, angular: Any, move: Mover | None, out: Vector, frames: Frames
    ) -> None:
        found = angular if linear is None else linear
        if move is not None:
            moved = move(frames)
            if linear is None:
                found = rotated(moved.rotation, angular)
            else:
                found = _at(moved, linear, angular)
        for index, axis in enumerate(self._axes):
            out[index] = axis(found)


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

    def bound(self, messages: Sequence[Any]) -> Bound | None:
        """Return what the reader does, if the frame is the contract's; see :class:`Picker`."""
        if self._found(messages[0]) != self._wanted:
            return None
        return bound_to(self._reader, messages)
