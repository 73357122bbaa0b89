"""
Where frames are: the tree that ``/tf`` and ``/tf_static`` tell, as plain, immutable data.

A link says where a child frame lies in its parent. Of each child the newest link holds, that is
the one that came last, whatever its stamp: as with every other topic. Between two frames the
newest links are put together, through their nearest common ancestor. There is no interpolation and
no look-up in the past, so a message is moved by where the frames are *now*; what that costs is
bounded by the budget on the age of every moving link on the way.

The age of a link is the larger of the age by arrival and by stamp. A stamp in the future is no
fault here, since localisation stamps its links ahead on purpose (the ``transform_tolerance`` of
AMCL). A link from ``/tf_static`` has no age.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ..configuration import nearest
from ..errors import MessageError, StaleTransform, UnresolvedFrame
from .rotations import IDENTITY, Point, Quaternion, conjugate, product, rotated, unit
from .told_transforms import Told

_SHOWN = 12
"""How many links a message shows of a tree."""


@dataclasses.dataclass(frozen=True, slots=True)
class Transform:
    """
    What takes coordinates in one frame to coordinates in another: first turned, then moved.

    :param translation: the origin of the first frame in the second, in metres.
    :param rotation: of norm 1.
    """

    translation: Point
    rotation: Quaternion

    def point(self, p: Any) -> Point:
        """Return where a point with x, y, z is."""
        turned, t = rotated(self.rotation, p), self.translation
        return Point(turned.x + t.x, turned.y + t.y, turned.z + t.z)

    def after(self, first: Transform) -> Transform:
        """Return the two of them together, the other one first."""
        return Transform(self.point(first.translation), product(self.rotation, first.rotation))

    def inverse(self) -> Transform:
        """Return the way back."""
        back = conjugate(self.rotation)
        x, y, z = rotated(back, self.translation)
        return Transform(Point(-x, -y, -z), back)


NO_TRANSFORM = Transform(Point(0.0, 0.0, 0.0), IDENTITY)


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """
    A child frame in its parent, as it was told; checked only where it is asked for.

    :param told: what was told.
    :param arrival_ns: when it arrived, steady clock.
    :param fixed: it came from ``/tf_static``.
    """

    told: Told
    arrival_ns: int
    fixed: bool

    @property
    def parent(self) -> str:
        """Return the name of the parent frame."""
        return self.told.parent

    @property
    def stamp_ns(self) -> int:
        """Return its stamp, ROS clock; 0 for none."""
        return self.told.stamp_ns

    def transform(self) -> Transform:
        """
        Return what takes coordinates in the child to coordinates in the parent.

        :raises UnresolvedFrame: it is no transform.
        """
        label = f'the transform {self.parent} → {self.told.child}'
        t = self.told.translation
        try:
            rotation = unit(label, self.told.rotation)
        except MessageError as problem:
            raise UnresolvedFrame(str(problem)) from problem
        if not all(math.isfinite(value) for value in (t.x, t.y, t.z, *rotation)):
            raise UnresolvedFrame(f'{label}: it is not finite')
        return Transform(t, rotation)


@dataclasses.dataclass(frozen=True, slots=True)
class FrameTree:
    """
    The newest link of each child frame; never changed, only replaced.

    :param links: by the child's name.
    """

    links: Mapping[str, Link] = dataclasses.field(default_factory=dict)

    def updated(self, transforms: Iterable[Told], arrival_ns: int, fixed: bool) -> FrameTree:
        """
        Return the tree with the links of a ``tf2_msgs/TFMessage``.

        :param transforms: what it tells.
        :param arrival_ns: when it arrived, steady clock.
        :param fixed: it came on ``/tf_static``.
        """
        links = dict(self.links)
        for one in transforms:
            links[one.child] = Link(one, arrival_ns, fixed)
        return FrameTree(links)

    def ancestors(self, frame: str) -> list[str]:
        """
        Return a frame, its parent, and so on to the root.

        :raises UnresolvedFrame: they go round in a circle.
        """
        found = [frame]
        while found[-1] in self.links:
            parent = self.links[found[-1]].parent
            if parent in found:
                circle = ' → '.join([*found[found.index(parent) :], parent])
                raise UnresolvedFrame(f'the frames go round in a circle: {circle}')
            found.append(parent)
        return found

    def __contains__(self, frame: str) -> bool:
        """Return whether a frame is in the tree, as a child or as a parent."""
        return frame in self.links or any(one.parent == frame for one in self.links.values())

    def __str__(self) -> str:
        """Return the links for people, sorted."""
        shown = sorted(f'{one.parent} → {child}' for child, one in self.links.items())
        more = len(shown) - _SHOWN
        words = ', '.join(shown[:_SHOWN])
        return (words + f' and {more} more' if more > 0 else words) or 'nothing'


class Frames(Protocol):
    """The frames as one tick sees them."""

    def between(self, target: str, source: str, *, rigid: bool = False) -> Transform:
        """
        Return what takes coordinates in ``source`` to coordinates in ``target``.

        :param rigid: the two must be fixed to each other: every link on the way is a static one.
        :raises UnresolvedFrame: it is not known.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class TickFrames:
    """
    A tree at a time, with the age that its links may have.

    :param tree: the tree.
    :param steady_ns: steady clock of the tick.
    :param ros_ns: ROS clock at the same instant.
    :param budget_ns: greatest age of a moving link.
    """

    tree: FrameTree
    steady_ns: int
    ros_ns: int
    budget_ns: int

    def between(self, target: str, source: str, *, rigid: bool = False) -> Transform:
        """Return what takes ``source`` to ``target``; see :class:`Frames`."""
        if target == source:
            return NO_TRANSFORM
        for frame in (target, source):
            self._check_known(frame)
        up, down = self.tree.ancestors(source), self.tree.ancestors(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            raise UnresolvedFrame(
                f'tf does not connect {source!r} (under {up[-1]}) and {target!r} (under '
                f'{down[-1]}): {self.tree}'
            )
        from_source = self._to_ancestor(up[: up.index(common)], rigid)
        from_target = self._to_ancestor(down[: down.index(common)], rigid)
        return from_target.inverse().after(from_source)

    def _check_known(self, frame: str) -> None:
        if not frame:
            raise UnresolvedFrame('a frame without a name')
        if frame not in self.tree:
            known = sorted({*self.tree.links, *(one.parent for one in self.tree.links.values())})
            hint = nearest(frame, known, listed=False)
            raise UnresolvedFrame(f'tf has no frame {frame!r}.{hint} It has {self.tree}')

    def _to_ancestor(self, children: list[str], rigid: bool) -> Transform:
        """Return what takes the first of some frames to the parent of the last."""
        together = NO_TRANSFORM
        for child in children:
            link = self.tree.links[child]
            self._check_link(child, link, rigid)
            together = link.transform().after(together)
        return together

    def _check_link(self, child: str, link: Link, rigid: bool) -> None:
        if link.fixed:
            return
        if rigid:
            raise UnresolvedFrame(
                f'the transform {link.parent} → {child} can move; this needs frames that are '
                'fixed to each other by /tf_static'
            )
        age_ns = self.steady_ns - link.arrival_ns
        if link.stamp_ns:
            age_ns = max(age_ns, self.ros_ns - link.stamp_ns)
        if age_ns > self.budget_ns:
            raise StaleTransform(
                f'the transform {link.parent} → {child} is {age_ns / 1e6:.0f} ms old, budget '
                f'{self.budget_ns / 1e6:.0f} ms'
            )


class NoFrames:
    """The frames of a session whose wiring has none."""

    def between(self, target: str, source: str, *, rigid: bool = False) -> Transform:
        """Refuse two frames that differ; see :class:`Frames`."""
        if target == source:
            return NO_TRANSFORM
        raise UnresolvedFrame('the wiring has no frames: to look it up in tf')


NO_FRAMES = NoFrames()
