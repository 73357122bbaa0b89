"""
A grid of heights around the base, from a point cloud.

Grid points lie ``resolution`` apart and reach from ``-size/2`` to ``size/2`` along x and y, ends
included (the grid pattern of Isaac Lab). A point of the cloud counts for the grid point nearest to
it; points beyond half a resolution outside of the grid, and points that are not finite, for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import MessageError
from ..policy.contract import Term
from ..policy.term_kinds import height_grid
from .fields import Vector
from .framed_readers import between
from .rotations import matrix
from .transforms import Frames, Transform

_DTYPES = {7: 'f4', 8: 'f8'}
"""The numbers of sensor_msgs/PointField that a coordinate can be."""


class HeightScanReader:
    """Heights (z, in the contract's frame) by grid point; ``fill`` where no point lies."""

    def __init__(self, label: str, term: Term, prefix: str) -> None:
        self._label = label
        self._frame = prefix + term.frame
        options = term.options
        self._counts = height_grid(options)
        self._resolution = float(options['resolution'])
        self._low = (-0.5 * options['size'][0], -0.5 * options['size'][1])
        self._x_fastest = options['grid_order'] == 'x_fastest'
        self._greatest = options['reduce'] == 'max'
        self._fill = float(options['fill'])

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write one height a grid point."""
        cloud = messages[0]
        x, y, z = self._coordinates(cloud)
        found = cloud.header.frame_id
        if found != self._frame:
            words = (
                f'{self._label}: the cloud is in frame {found!r}, the contract wants '
                f'{self._frame!r}'
            )
            x, y, z = _moved(between(frames, self._frame, found, words), x, y, z)
        seen = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
        with np.errstate(invalid='ignore'):
            column = np.floor((x - self._low[0]) / self._resolution + 0.5)
            row = np.floor((y - self._low[1]) / self._resolution + 0.5)
            seen &= (column >= 0) & (column < self._counts[0]) & (row >= 0)
            seen &= row < self._counts[1]
        column, row, z = column[seen].astype(np.intp), row[seen].astype(np.intp), z[seen]
        if self._x_fastest:
            cell = row * self._counts[0] + column
        else:
            cell = column * self._counts[1] + row
        out[:] = -np.inf if self._greatest else np.inf
        (np.maximum if self._greatest else np.minimum).at(out, cell, z)
        out[np.isinf(out)] = self._fill

    def _coordinates(self, cloud: Any) -> tuple[Vector, Vector, Vector]:
        fields = {one.name: one for one in cloud.fields}
        order = '>' if cloud.is_bigendian else '<'
        formats, offsets = [], []
        for name in ('x', 'y', 'z'):
            one = fields.get(name)
            if one is None or one.datatype not in _DTYPES or one.count > 1:
                raise MessageError(
                    f'{self._label}: the cloud needs x, y and z as single FLOAT32 or FLOAT64; '
                    f'it has {", ".join(fields) or "no fields"}'
                )
            formats.append(order + _DTYPES[one.datatype])
            offsets.append(one.offset)
        size = cloud.height * cloud.row_step
        if cloud.row_step < cloud.width * cloud.point_step or len(cloud.data) != size:
            raise MessageError(
                f'{self._label}: {len(cloud.data)} bytes are no cloud of {cloud.height} rows of '
                f'{cloud.row_step} bytes, {cloud.width} points of {cloud.point_step} each'
            )
        if size == 0:
            empty: Vector = np.empty(0)
            return empty, empty, empty
        dtype = np.dtype(
            {
                'names': ['x', 'y', 'z'],
                'formats': formats,
                'offsets': offsets,
                'itemsize': cloud.point_step,
            }
        )
        rows = np.asarray(cloud.data).reshape(cloud.height, cloud.row_step)
        points = np.ascontiguousarray(rows[:, : cloud.width * cloud.point_step]).view(dtype)
        x, y, z = (points[name].ravel().astype(np.float64) for name in ('x', 'y', 'z'))
        return x, y, z


def _moved(by: Transform, x: Vector, y: Vector, z: Vector) -> tuple[Vector, Vector, Vector]:
    """Return points in another frame, in float64 and in a fixed order of operations."""
    r, t = matrix(by.rotation), by.translation
    with np.errstate(invalid='ignore'):  # points that are not finite stay so, and do not count
        return (
            r[0] * x + r[1] * y + r[2] * z + t.x,
            r[3] * x + r[4] * y + r[5] * z + t.y,
            r[6] * x + r[7] * y + r[8] * z + t.z,
        )
