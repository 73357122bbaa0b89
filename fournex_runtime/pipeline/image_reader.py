"""
Camera images as arrays: encoding, crop, size, channels.

Colours stay whole numbers from 0 to 255 up to the very end, as they were in training. Depths are
metres (REP 118): ``16UC1`` counts millimetres with 0 for no measurement, ``32FC1`` metres with
values that are not finite for none.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError, MissingDependencyError
from ..policy.contract import Term
from .raw_image import RawImage
from .resampling import Pixels, resize

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
_COLOURS = {'rgb8': 'rgb', 'bgr8': 'bgr', 'mono8': 'gray', '8UC1': 'gray'}
_DEPTHS = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}
_GREATEST_SIDE = 16384
_RED, _GREEN, _BLUE, _SHIFT = 4899, 9617, 1868, 14
"""Weights of ITU-R BT.601 in parts of 2**14, as OpenCV's ``cvtColor`` has them for 8 bits."""


class ImageReader:
    """
    The newest image of a camera in the contract's size, channels and layout.

    :param label: name for messages.
    :param term: the term.
    :param compressed: the messages are ``CompressedImage``.
    :raises MissingDependencyError: compressed images need Pillow, which is not there.
    """

    def __init__(self, label: str, term: Term, compressed: bool) -> None:
        self._label = label
        self._options = term.options
        self._channels = str(term.options['channels'])
        self._compressed = compressed
        self._known: tuple[Any, ...] | None = None
        self._view: tuple[tuple[int, ...], np.dtype[Any], int, tuple[int, ...]] | None = None
        if compressed:
            _pillow()

    def __call__(self, message: Any) -> Pixels:
        """
        Return the pixels: uint8, or float64 metres for a depth.

        Where crop, size and layout only choose among the bytes, they are a view of them; of an
        image of the same size and encoding as the one before, without choosing anew.

        :param message: an image as a :class:`RawImage`, or any message as an object.
        """
        if not isinstance(message, RawImage):
            return self._read(message)
        known = (*message[:-1], message.data.size)
        if known == self._known and self._view is not None:
            shape, dtype, begin, strides = self._view
            return np.ndarray(shape, dtype, message.data, begin, strides)
        pixels, data = self._read(message), message.data
        self._known, self._view = known, None
        if np.may_share_memory(pixels, data):
            begin = pixels.ctypes.data - data.ctypes.data
            self._view = pixels.shape, pixels.dtype, begin, pixels.strides
        return pixels

    def _read(self, message: Any) -> Pixels:
        options = self._options
        if self._compressed:
            pixels, channels = self._decompressed(message)
        else:
            pixels, channels = self._raw(message)
        if channels == 'depth':
            pixels = self._depth(pixels)
        pixels = self._sized(self._cropped(pixels))
        pixels = self._converted(pixels, channels)
        if pixels.ndim == 2:
            pixels = pixels[:, :, np.newaxis]
        return pixels.transpose(2, 0, 1) if options['layout'] == 'chw' else pixels

    def _raw(self, message: Any) -> tuple[Pixels, str]:
        encoding = message.encoding
        known = _DEPTHS if self._channels == 'depth' else _COLOURS
        if encoding not in known:
            raise self._problem(
                f'the image has encoding {encoding!r}, expected one of {", ".join(known)}'
            )
        order = '>' if message.is_bigendian else '<'
        dtype = np.dtype(order + _DEPTHS[encoding] if known is _DEPTHS else 'u1')
        channels = 'depth' if known is _DEPTHS else _COLOURS[encoding]
        used = message.width * dtype.itemsize * (3 if channels in ('rgb', 'bgr') else 1)
        if message.step < used or len(message.data) < message.height * message.step or not used:
            raise self._problem(
                f'{len(message.data)} bytes are no image of {message.height} rows of '
                f'{message.width} pixels ({encoding}, step {message.step})'
            )
        data = np.asarray(message.data)[: message.height * message.step]
        rows = data.reshape(message.height, message.step)[:, :used]
        if dtype.itemsize > 1:
            rows = np.ascontiguousarray(rows).view(dtype)
        shape = (message.height, message.width, 3)[: 3 if channels in ('rgb', 'bgr') else 2]
        return rows.reshape(shape), channels

    def _decompressed(self, message: Any) -> tuple[Pixels, str]:
        pillow = _pillow()
        data = bytes(message.data)
        try:
            with pillow.open(io.BytesIO(data), formats=('PNG', 'JPEG')) as image:
                if max(image.size) > _GREATEST_SIDE:
                    raise self._problem(f'the image is {image.size[0]} x {image.size[1]} pixels')
                if image.mode in ('I;16', 'I;16B', 'I') and self._channels == 'depth':
                    return np.asarray(image).astype(np.uint16), 'depth'
                if image.mode not in ('RGB', 'L') or self._channels == 'depth':
                    wanted = '16 bits' if self._channels == 'depth' else 'RGB or L'
                    raise self._problem(f'the image has mode {image.mode}, expected {wanted}')
                return np.asarray(image), 'rgb' if image.mode == 'RGB' else 'gray'
        except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as problem:
            # Pillow names a file that it knows nothing of by the address of the object.
            unknown = isinstance(problem, pillow.UnidentifiedImageError)
            why = 'they do not begin like one' if unknown else str(problem)
            raise self._problem(
                f'{len(data)} bytes ({message.format}) are no PNG or JPEG image: {why}'
            ) from problem

    def _cropped(self, pixels: Pixels) -> Pixels:
        if self._options['crop'] is None:
            return pixels
        top, left, height, width = (int(value) for value in self._options['crop'])
        if top + height > pixels.shape[0] or left + width > pixels.shape[1]:
            raise self._problem(
                f'the image is {pixels.shape[1]} x {pixels.shape[0]} pixels, too small for the '
                f'crop of {width} x {height} at {left}, {top}'
            )
        return pixels[top : top + height, left : left + width]

    def _sized(self, pixels: Pixels) -> Pixels:
        height, width = self._options['height'], self._options['width']
        if self._options['resize'] == 'none':
            if pixels.shape[:2] != (height, width):
                raise self._problem(
                    f'the image is {pixels.shape[1]} x {pixels.shape[0]} pixels, the contract '
                    f'wants {width} x {height} and no resizing'
                )
            return pixels
        return resize(pixels, height, width, self._options['resize'])

    def _converted(self, pixels: Pixels, found: str) -> Pixels:
        """Return the contract's channels; grey is never made into colours."""
        if found == self._channels:
            return pixels
        if found == 'gray':
            raise self._problem(f'the image is grey, the contract wants {self._channels}')
        if self._channels != 'gray':
            return pixels[:, :, ::-1]
        first, green, last = (pixels[:, :, index].astype(np.int64) for index in range(3))
        red, blue = (first, last) if found == 'rgb' else (last, first)
        total = red * _RED + green * _GREEN + blue * _BLUE + (1 << (_SHIFT - 1))
        return (total >> _SHIFT).astype(np.uint8)

    def _depth(self, pixels: Pixels) -> NDArray[np.float64]:
        if pixels.dtype.kind == 'u':
            metres = pixels.astype(np.float64) / 1000.0
            return np.where(pixels == 0, self._options['fill'], metres)
        metres = pixels.astype(np.float64)
        return np.where(np.isfinite(metres), metres, self._options['fill'])

    def _problem(self, words: str) -> MessageError:
        return MessageError(f'{self._label}: {words}')


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as problem:
        raise MissingDependencyError(
            'Pillow', f'reading a {COMPRESSED_IMAGE}', 'pip install pillow'
        ) from problem
    return Image
