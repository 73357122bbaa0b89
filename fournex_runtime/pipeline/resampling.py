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
        total = _covered(_covered(image.astype(np.int64), height, 0), width, 1)
        pixels = rows * columns
        return ((2 * total + pixels) // (2 * pixels)).astype(np.uint8)
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
    steps = np.diff(pixel)
    if len(steps) and steps[0] > 0 and (steps == steps[0]).all():
        return slice(int(pixel[0]), int(pixel[-1]) + 1, int(steps[0]))
    return pixel


def _covered(values: NDArray[np.int64], wanted: int, axis: int) -> NDArray[np.int64]:
    """
    Sum along an axis what each of ``wanted`` equal stretches covers, in parts of a pixel.

    A pixel is ``wanted`` parts long, so a stretch is as many parts as there are pixels: every
    bound is a whole number of parts, and the sums are exact.
    """
    found = values.shape[axis]
    shape = list(values.shape)
    shape[axis] = 1
    before = np.concatenate([np.zeros(shape, np.int64), np.cumsum(values, axis)], axis)
    pixel, parts = np.divmod(np.arange(wanted + 1) * found, wanted)
    padded = np.concatenate([values, np.zeros(shape, np.int64)], axis)
    along = [1] * values.ndim
    along[axis] = wanted + 1
    until: NDArray[np.int64] = before.take(pixel, axis) * wanted
    until += padded.take(pixel, axis) * parts.reshape(along)
    return np.diff(until, axis=axis)
