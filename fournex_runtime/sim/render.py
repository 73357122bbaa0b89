"""
Pictures of a simulated robot: a film (MP4) where ffmpeg is there, else one PNG a frame.

A frame is drawn between two steps, which takes 10 to 40 ms where the processor draws: in real time
it delays sensors by as much, in lockstep it costs nothing but time. Without a screen MuJoCo takes
OpenGL from EGL or OSMesa; ``choose_opengl`` must have been called before MuJoCo is imported.
"""

from __future__ import annotations

import copy
import ctypes.util
import importlib
import os
import pathlib
import shutil
import struct
import subprocess
import zlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError, MissingDependencyError

WIDTH = 640
HEIGHT = 480
FRAME_PERIOD_NS = 100_000_000
"""Simulated time between two frames."""
_FILM_ENDS_S = 10.0
_INSTALL = (
    'apt install libosmesa6 and set MUJOCO_GL=osmesa, or with a graphics driver apt install '
    'libegl1 and set MUJOCO_GL=egl'
)

Frame = NDArray[np.uint8]


def choose_opengl() -> None:
    """
    Make MuJoCo draw without a screen where there is none; ``MUJOCO_GL`` is left as it is.

    :raises MissingDependencyError: there is no OpenGL to draw with.
    """
    if not os.environ.get('MUJOCO_GL') and not os.environ.get('DISPLAY'):
        for choice, library in (('egl', 'EGL'), ('osmesa', 'OSMesa')):
            if ctypes.util.find_library(library):
                os.environ['MUJOCO_GL'] = choice
                break
        else:
            raise MissingDependencyError('OpenGL', 'render', _INSTALL)
    try:
        importlib.import_module('mujoco')
    except ModuleNotFoundError:
        raise
    except Exception as problem:  # each OpenGL has errors of its own, some at the import
        raise _no_opengl(problem) from problem


class Drawable(Protocol):
    """A robot that can be drawn."""

    model: Any
    data: Any


class Output(Protocol):
    """Where frames go."""

    def add(self, frame: Frame) -> None:
        """Append a frame of ``HEIGHT`` x ``WIDTH`` x 3 RGB."""

    def close(self) -> None:
        """Finish the file or files."""


class Camera:
    """
    Draws a robot every ``FRAME_PERIOD_NS`` of simulated time, by its model's first camera.

    :param robot: with its MuJoCo model and data.
    :param folder: for the pictures; made if it does not exist.
    :param name: of the film.
    :raises ConfigurationError: the folder holds something already, or cannot be made.
    :raises MissingDependencyError: OpenGL does not work.
    """

    def __init__(self, robot: Drawable, folder: pathlib.Path, name: str) -> None:
        mujoco = importlib.import_module('mujoco')
        self._robot = robot
        _make_empty(folder)
        # Smooth edges, shadows and reflections are nine tenths of the work where the processor
        # draws, and the physics wait for it.
        model = copy.copy(robot.model)
        model.vis.quality.offsamples = 0
        try:
            self._renderer = mujoco.Renderer(model, HEIGHT, WIDTH)
        except Exception as problem:  # each OpenGL has errors of its own
            raise _no_opengl(problem) from problem
        self._dear = (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION)
        self._camera = 0 if robot.model.ncam else -1
        ffmpeg = _ffmpeg()
        self._output: Output = (
            Film(ffmpeg, folder / f'{name}.mp4') if ffmpeg else FrameFiles(folder)
        )
        self._due_ns = 0

    def watch(self, time_ns: int) -> None:
        """
        Draw a frame if it is time for one.

        :raises ConfigurationError: it cannot be written.
        """
        if time_ns < self._due_ns:
            return
        self._due_ns = (time_ns // FRAME_PERIOD_NS + 1) * FRAME_PERIOD_NS
        self._renderer.update_scene(self._robot.data, self._camera)
        for flag in self._dear:
            self._renderer.scene.flags[flag] = 0
        try:
            self._output.add(self._renderer.render())
        except OSError as problem:
            raise ConfigurationError(f'render: {problem}') from problem

    def close(self) -> None:
        """Finish what was drawn."""
        self._output.close()
        self._renderer.close()


class FrameFiles:
    """One PNG a frame: ``frame-00001.png`` and so on."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._count = 0

    def add(self, frame: Frame) -> None:
        """Write the next file."""
        self._count += 1
        (self._folder / f'frame-{self._count:05d}.png').write_bytes(png(frame))

    def close(self) -> None:
        """Do nothing: every file is complete."""


class Film:
    """An MP4, written by an ffmpeg process that ends with its input."""

    def __init__(self, ffmpeg: str, path: pathlib.Path) -> None:
        rate = str(round(1_000_000_000 / FRAME_PERIOD_NS))
        command = [ffmpeg, '-loglevel', 'error', '-f', 'rawvideo', '-pix_fmt', 'rgb24']
        command += ['-s', f'{WIDTH}x{HEIGHT}', '-r', rate, '-i', '-', '-threads', '1']
        # fragments: what was written can be played even if the end is missing
        command += ['-pix_fmt', 'yuv420p', '-movflags', '+frag_keyframe+empty_moov', str(path)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def add(self, frame: Frame) -> None:
        """
        Hand a frame to ffmpeg.

        :raises ConfigurationError: ffmpeg has ended; it has said why.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(frame.tobytes())
        except BrokenPipeError:
            raise ConfigurationError(
                f'render: ffmpeg ended with status {self._process.wait(_FILM_ENDS_S)}'
            ) from None

    def close(self) -> None:
        """Wait until the film is finished."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(_FILM_ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def png(frame: Frame) -> bytes:
    """Return an RGB picture as a PNG file (ISO/IEC 15948), its lines unfiltered."""
    height, width, _ = frame.shape
    lines = np.zeros((height, 1 + 3 * width), np.uint8)
    lines[:, 1:] = frame.reshape(height, -1)
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        _chunk(kind, data)
        for kind, data in (
            (b'IHDR', head),
            (b'IDAT', zlib.compress(lines.tobytes(), 1)),
            (b'IEND', b''),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def _no_opengl(problem: Exception) -> MissingDependencyError:
    chosen = os.environ.get('MUJOCO_GL', 'not set')
    what = f'a working OpenGL (MUJOCO_GL is {chosen}: {type(problem).__name__}: {problem})'
    return MissingDependencyError(what, 'render', _INSTALL)


def _make_empty(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f'render: {folder} is not empty; name a new folder')
    except OSError as problem:
        raise ConfigurationError(f'render: {folder}: {problem.strerror}') from problem


def _ffmpeg() -> str | None:
    """Return the path of an ffmpeg: that of the system, else that of imageio-ffmpeg."""
    found = shutil.which('ffmpeg')
    if found:
        return found
    try:
        return str(importlib.import_module('imageio_ffmpeg').get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None
