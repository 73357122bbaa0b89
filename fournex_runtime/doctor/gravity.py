"""Where down is: the orientation of an IMU against its accelerometer."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError
from .finding import Finding, failure, not_checked, passed, warning
from .survey import Case, Survey

Vector = NDArray[np.float64]
_IMU = 'sensor_msgs/msg/Imu'
_TERMS = ('projected_gravity', 'orientation')
_STANDARD = 9.81
_AGREE_DEG, _DIFFER_DEG = 15.0, 40.0


def check_gravity(case: Case, survey: Survey) -> list[Finding]:
    """
    Compare the direction of gravity by orientation with that by acceleration, of each IMU.

    At rest an accelerometer measures the reaction to gravity: upwards, 9.81 m/s² (REP 145).
    """
    found = []
    kinds = {term.name: term.kind for term in case.contract.observation_terms}
    for port in case.wiring.ports:
        source = case.wiring.sources[port.source]
        if source.type == _IMU and kinds[port.term] in _TERMS:
            finding = _imu(case, survey, source.topic, f'inputs.{port.label}')
            if finding is not None:
                found.append(finding)
    return found


def _imu(case: Case, survey: Survey, wired: str, about: str) -> Finding | None:
    topic = survey.topics[wired]
    if any(one.type != _IMU for one in topic.publishers):
        return None
    try:
        read = [case.messages.decode(one.data, _IMU) for one in topic.samples if one.data]
    except MessageError:
        return None  # told by the check of shapes
    if not read:
        return None
    q = np.mean([(m.orientation.x, m.orientation.y, m.orientation.z, m.orientation.w)
                 for m in read], axis=0)  # fmt: skip
    up = np.mean([(m.linear_acceleration.x, m.linear_acceleration.y, m.linear_acceleration.z)
                  for m in read], axis=0)  # fmt: skip
    size = float(np.linalg.norm(up))
    if not 0.5 < float(np.linalg.norm(q)) < 1.5 or not np.isfinite(size):
        return None
    if size == 0.0 or read[-1].linear_acceleration_covariance[0] == -1.0:
        return not_checked('gravity', about, f'{topic.name} has no accelerations to compare with')
    if 0.9 < size < 1.1:
        words = f'the accelerations on {topic.name} are in g, not in m/s²; nothing here reads them'
        return warning('gravity', about, words, 'Let the driver publish m/s² (REP 145)')
    if abs(size - _STANDARD) > 2.0:
        why = f'{topic.name} measures {size:.3g} m/s²: not at rest'
        return not_checked('gravity', about, why)
    angle = _angle_deg(_up(q), up)
    if angle < _AGREE_DEG:
        return passed('gravity', about, f'orientation and accelerometer agree within {angle:.0f}°')
    words = (
        f'by orientation up is {_words(_up(q))} in the body, by acceleration {_words(up / size)}: '
        f'{angle:.0f}° apart'
    )
    explained = _explanation(q, up)
    if angle > _DIFFER_DEG:
        mend = 'Mend the order or the sign of the quaternion in the driver (x, y, z, w; REP 145)'
        return failure('gravity', about, words + explained, mend)
    return warning('gravity', about, words + explained, 'Calibrate the IMU, or hold it still')


def _explanation(q: Vector, up: Vector) -> str:
    """Return which mistake with the quaternion would make the two agree."""
    x, y, z, w = q
    mistakes = {
        'in the order w, x, y, z': np.array([y, z, w, x]),
        'turned round (world to body)': np.array([-x, -y, -z, w]),
    }
    fitting = [
        words for words, mended in mistakes.items() if _angle_deg(_up(mended), up) < _AGREE_DEG
    ]
    if fitting:
        return f'; the quaternion looks {" or ".join(fitting)}'
    if _angle_deg(-_up(q), up) < _AGREE_DEG:
        return '; the accelerations have the sign of gravity, not of its reaction'
    return ''


def _up(q: Vector) -> Vector:
    """Return the world's z axis in the body frame: the third row of the rotation matrix."""
    x, y, z, w = q / np.linalg.norm(q)
    return np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])


def _angle_deg(a: Vector, b: Vector) -> float:
    cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def _words(vector: Vector) -> str:
    return '[' + ' '.join(f'{value:.2f}' for value in vector) + ']'
