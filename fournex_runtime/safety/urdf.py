"""The joints of a robot with their limits, out of its URDF (``robot_description``)."""

from __future__ import annotations

import dataclasses
import math
import re
from xml.etree import ElementTree

from ..errors import MessageError


@dataclasses.dataclass(frozen=True)
class Joint:
    """
    A joint of a URDF; https://wiki.ros.org/urdf/XML/joint.

    :param kind: ``revolute``, ``continuous``, ``prismatic`` …
    :param lower: least position, rad or m; infinite where there is none.
    :param upper: greatest position.
    :param velocity: greatest speed, rad/s or m/s; infinite where the URDF leaves it out or zero.
    :param effort: greatest effort, Nm or N; likewise.
    """

    kind: str
    lower: float = -math.inf
    upper: float = math.inf
    velocity: float = math.inf
    effort: float = math.inf

    @property
    def continuous(self) -> bool:
        """Return whether it turns without end."""
        return self.kind == 'continuous'

    @property
    def bounded(self) -> bool:
        """Return whether its positions have limits."""
        return math.isfinite(self.lower) and math.isfinite(self.upper)

    def holds(self, position: float) -> bool:
        """Return whether a measured position is within the limits, and a little beyond."""
        slack = 0.05 * (self.upper - self.lower) + 0.01
        return bool(self.lower - slack <= position <= self.upper + slack)

    def far_from(self, position: float) -> bool:
        """Return whether a position is farther outside the limits than they are apart."""
        reach = self.upper - self.lower
        return not self.lower - reach <= position <= self.upper + reach


def read_urdf(text: str) -> dict[str, Joint]:
    """
    Return the joints of a URDF by name.

    :raises MessageError: it is not one.
    """
    if re.search(r'<!(DOCTYPE|ENTITY)', text):
        raise MessageError('robot_description: declares entities, which no URDF needs')
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as problem:
        raise MessageError(f'robot_description: not readable as XML: {problem}') from problem
    if root.tag != 'robot':
        raise MessageError(f'robot_description: expected <robot>, found <{root.tag}>')
    return {one.get('name', ''): _joint(one) for one in root.findall('joint')}


def _joint(element: ElementTree.Element) -> Joint:
    kind, limit = element.get('type', ''), element.find('limit')
    if limit is None:
        return Joint(kind)
    bounded = kind in ('revolute', 'prismatic')
    lower, upper = (_number(limit, key, 0.0) for key in ('lower', 'upper'))
    if not bounded or lower >= upper:
        lower, upper = -math.inf, math.inf
    return Joint(
        kind,
        lower,
        upper,
        _number(limit, 'velocity', 0.0) or math.inf,
        _number(limit, 'effort', 0.0) or math.inf,
    )


def _number(element: ElementTree.Element, key: str, default: float) -> float:
    try:
        value = float(element.get(key, default))
    except ValueError as problem:
        raise MessageError(f'robot_description: limit {key}: {problem}') from problem
    if not math.isfinite(value):
        raise MessageError(f'robot_description: limit {key} is not finite')
    return value
