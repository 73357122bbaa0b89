"""Films and files of frames; the drawing itself is tried with the node."""

from __future__ import annotations

import numpy as np
import pytest

from fournex_runtime.errors import ConfigurationError
from fournex_runtime.sim.render import HEIGHT, WIDTH, Film, FrameFiles

FRAME = np.arange(HEIGHT * WIDTH * 3, dtype=np.uint32).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)


def script(tmp_path, text: str) -> str:
    """Return a program in the place of ffmpeg; its last argument is the film."""
    path = tmp_path / 'ffmpeg'
    path.write_text(f'#!/bin/sh\nfor film; do :; done\n{text}\n')
    path.chmod(0o755)
    return str(path)


def test_a_film_gets_every_frame_and_is_complete_when_closed(tmp_path):
    film = Film(script(tmp_path, 'cat > "$film"'), tmp_path / 'film.mp4')
    film.add(FRAME)
    film.add(FRAME)
    film.close()
    assert (tmp_path / 'film.mp4').read_bytes() == 2 * FRAME.tobytes()


def test_a_film_says_that_ffmpeg_has_ended(tmp_path):
    film = Film(script(tmp_path, 'exit 3'), tmp_path / 'film.mp4')
    with pytest.raises(ConfigurationError, match='ffmpeg ended with status 3'):
        for _ in range(100):
            film.add(FRAME)
    film.close()


def test_frames_are_png_files_that_others_can_read(tmp_path):
    image = pytest.importorskip('matplotlib.image')
    files = FrameFiles(tmp_path)
    files.add(FRAME)
    files.close()
    (path,) = tmp_path.iterdir()
    assert path.name == 'frame-00001.png'
    read = np.rint(image.imread(path)[:, :, :3] * 255).astype(np.uint8)
    assert (read == FRAME).all()
