"""
Images in another size: the same bytes on every machine.

``area`` gives each pixel the mean of what it covers, in whole numbers, rounded to the nearest
level, halves up. ``nearest`` takes pixel ``floor(i * from / to)`` as OpenCV's ``INTER_NEAREST``
does, ``nearest_centre`` the one at the middle, ``floor((i + 1/2) * from / to)``, as Pillow's
``NEAREST`` does. Where that is a whole number, their rounding decides on which side of it they
are, so the float64 operations are theirs, one by one; torch's ``nearest`` and ``nearest-exact``
round in float32 and can be one pixel off there.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]


def resize(image: Pixels, height: int, width: int, method: str) -> Pixels:
    """
    Return an image, rows first, in another size.

    :param image: of shape (height, width) or (height, width, channels); uint8 for ``area``.
    :param height: rows of the result.
    :param width: columns of the result.
    :param method: ``area``, ``nearest`` or ``nearest_centre``.
    """
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    if method == 'area':
        parts = rows // math.gcd(rows, height) * (columns // math.gcd(columns, width))
        dtype = np.min_scalar_type(2 * 255 * parts + parts)
        total = _covered(_covered(image, height, 0, dtype), width, 1, dtype)
        return ((2 * total + parts) // (2 * parts)).astype(np.uint8)
    centre = method == 'nearest_centre'
    kept = _taken(image, _nearest(rows, height, centre), 0)
    return _taken(kept, _nearest(columns, width, centre), 1)


def _taken(image: Pixels, pixels: NDArray[np.intp] | slice, axis: int) -> Pixels:
    """Return rows (axis 0) or columns (axis 1) of an image; a view where they lie evenly."""
    if isinstance(pixels, slice):
        return image[pixels] if axis == 0 else image[:, pixels]
    return image.take(pixels, axis)


@functools.cache
def _nearest(found: int, wanted: int, centre: bool) -> NDArray[np.intp] | slice:
    """Return which pixels to take, as a slice where they lie evenly."""
    if centre:  # ImagingScaleAffine of Pillow: from half a step on, step by step
        step = found / wanted
        position = np.add.accumulate(np.array([0.5 * step, *[step] * (wanted - 1)]))
    else:  # resizeNN of OpenCV
        position = np.arange(wanted) * (1.0 / (wanted / found))
    pixel: NDArray[np.intp] = np.minimum(np.floor(position), found - 1).astype(np.intp)
    return _evenly(pixel)


def _evenly(pixel: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Return pixels as a slice where they lie evenly."""
    steps = np.diff(pixel)
    if len(steps) and steps[0] > 0 and (steps == steps[0]).all():
        return slice(int(pixel[0]), int(pixel[-1]) + 1, int(steps[0]))
    return pixel


def _covered(values: Pixels, wanted: int, axis: int, dtype: np.dtype[Any]) -> Pixels:
    """Sum along an axis what each of ``wanted`` equal stretches covers, in parts of a pixel."""
    along = (-1, *[1] * (values.ndim - 1 - axis))
    shape = (*values.shape[:axis], wanted, *values.shape[axis + 1 :])
    total = np.zeros(shape, dtype)
    for pixels, parts in _stretches(values.shape[axis], wanted):
        taken = _taken(values, pixels, axis)
        if parts is not None:
            taken = taken.astype(dtype)
            taken *= parts.astype(dtype).reshape(along)
        total += taken
    return total


@functools.cache
def _stretches(
    found: int, wanted: int
) -> list[tuple[NDArray[np.intp] | slice, NDArray[np.int64] | None]]:
    """
    Return what ``wanted`` equal stretches of ``found`` pixels cover.

    Both are counted in parts of a pixel so small that every bound is a whole number of them: the
    sums are exact.

    :returns: the first pixel of every stretch with how many parts of it are covered, then the
        second, and so on; None where it is one part of each.
    """
    common = math.gcd(found, wanted)
    stretch, pixel = found // common, wanted // common
    begin = np.arange(wanted) * stretch
    first, end = begin // pixel, begin + stretch
    covers = []
    for number in range(int((-(-end // pixel) - first).max())):
        at = np.minimum(first + number, found - 1)
        begins = (first + number) * pixel
        parts = np.minimum(begins + pixel, end) - np.maximum(begins, begin)
        parts = np.maximum(parts, 0)
        covers.append((_evenly(at), None if (parts == 1).all() else parts))
    return covers
