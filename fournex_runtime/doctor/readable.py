"""Messages that a term can be read from: shapes, frames, rotations, finite values."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import MessageError
from ..pipeline.field_path import field_getter
from ..pipeline.rotations import check_rotation
from ..policy.contract import Term
from .finding import Finding, failure, passed
from .measured import Readings, unresolved_frames
from .survey import Case, Survey

_ORIENTATIONS = {
    'sensor_msgs/msg/Imu': 'orientation',
    'geometry_msgs/msg/PoseStamped': 'pose.orientation',
    'geometry_msgs/msg/PoseWithCovarianceStamped': 'pose.pose.orientation',
    'nav_msgs/msg/Odometry': 'pose.pose.orientation',
}
_ANY_FRAME = ('range_scan', 'range', 'image')
"""The kinds whose frame a session does not check."""
_ROTATED = ('projected_gravity', 'orientation', 'goal_relative', 'goal_pose', 'target_pose')


def check_readable(
    case: Case, survey: Survey, readings: Mapping[str, Readings], before: list[Finding]
) -> list[Finding]:
    """
    Judge whether each term can be read from every message that came.

    :param before: findings so far; what they refuse already is not told again.
    """
    refused = {one.subject for one in before if one.check == 'joint_names' and one.mend}
    found: list[Finding] = []
    for one in readings.values():
        if one.subject in refused:
            continue
        rotation = _rotation(case, survey, one) if one.term.kind in _ROTATED else None
        if rotation is not None:
            found.append(rotation)
        frame = _frame(case, survey, one)
        if frame is not None:
            found.append(frame)
        if one.non_finite:
            mend = 'Mend the sensor or its driver; the session treats it as a fault'
            found.append(failure('finite', one.subject, one.non_finite, mend))
        elif len(one.values):
            found.append(passed('finite', one.subject, f'{len(one.values)} readings'))
        told = any(bad is not None and bad.mend for bad in (rotation, frame))
        if one.unreadable and not told:
            found.append(failure('shape', one.subject, one.unreadable, _mend(one.term)))
        elif len(one.values):
            found.append(passed('shape', one.subject, _shape(one.term)))
    for words in unresolved_frames(case, survey):
        mend = 'Let tf say where that frame is, or write another one'
        found.append(failure('frame', 'frames', words, mend))
    return found


def _shape(term: Term) -> str:
    return f'{list(term.shape)}' if term.shape else f'{term.size} values'


def _mend(term: Term) -> str:
    if term.kind == 'range_scan':
        return "Set the scanner's angles, or train for those that it has"
    if term.kind == 'image':
        return 'Set encoding and size in the camera driver, or resize: and crop: in the contract'
    return 'Read another field or topic, or mend what the driver publishes'


def _rotation(case: Case, survey: Survey, one: Readings) -> Finding | None:
    """Return whether the orientations that a term reads are rotations; None without any."""
    if one.term.options.get('layout') == 'position' and one.term.kind == 'target_pose':
        return None
    for port in one.ports:
        source = case.wiring.sources[port.source]
        path, about = _ORIENTATIONS.get(source.type), f'inputs.{port.label}'
        topic = survey.topics[source.topic]
        if path is None or port.port == 'goal':
            continue
        for sample in topic.samples:
            if sample.data is None:
                continue
            try:
                message = case.messages.decode(sample.data, source.type)
                check_rotation(topic.name, field_getter(path)(message))
            except MessageError as problem:
                mend = 'Let the driver fill the orientation in; an IMU without one cannot serve'
                return failure('quaternion', about, str(problem), mend)
            unknown = source.type == 'sensor_msgs/msg/Imu' and (
                message.orientation_covariance[0] == -1.0
            )
            if unknown:
                words = f'{topic.name} says that it has no orientation (covariance -1, REP 145)'
                mend = 'Wire the output of an orientation filter, such as imu_filter_madgwick'
                return failure('quaternion', about, words, mend)
    return passed('quaternion', one.subject, 'norm 1')


def _frame(case: Case, survey: Survey, one: Readings) -> Finding | None:
    """Return whether messages are in the frame that the contract names, or known from there."""
    if one.unresolved:
        mend = 'Publish it in the frame that is wanted, set the frame_prefix of this robot, or '
        if case.wiring.frames is None:
            mend += 'write frames: {budget: 200 ms}, to look it up in tf'
        else:
            mend += 'let tf say where that frame is'
        return failure('frame', one.subject, one.unresolved, mend)
    if not one.term.frame:
        return None
    wanted = case.frame_prefix + one.term.frame
    if one.term.kind not in _ANY_FRAME:
        return passed('frame', one.subject, wanted)
    for port in one.ports:
        source = case.wiring.sources[port.source]
        if not case.messages.has_header(source.type):
            continue
        topic = survey.topics[source.topic]
        for sample in topic.samples:
            if sample.data is None:
                continue
            try:
                frame = case.messages.decode(sample.data, source.type).header.frame_id
            except MessageError:
                break
            if frame != wanted:
                words = f'{topic.name} is in frame {frame!r}, the contract wants {wanted!r}'
                mend = f'Publish it in {wanted}, or set the frame_prefix of this robot'
                return failure('frame', one.subject, words, mend)
    return passed('frame', one.subject, wanted)
