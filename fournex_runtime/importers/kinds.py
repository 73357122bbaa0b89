"""The kinds of artifacts that can be imported; general ones give way to the others."""

from __future__ import annotations

from . import (
    holosoma,
    isaac_lab,
    leapp,
    lerobot,
    onnx_metadata,
    plain_onnx,
    rl_sar,
    stable_baselines3,
    torch_archive,
    unitree_rl_gym,
    unitree_rl_lab,
)
from .recognise import Importer

IMPORTERS: tuple[Importer, ...] = (
    stable_baselines3.IMPORTER,
    unitree_rl_lab.IMPORTER,
    isaac_lab.IMPORTER,
    leapp.IMPORTER,
    lerobot.IMPORTER,
    rl_sar.IMPORTER,
    unitree_rl_gym.IMPORTER,
    onnx_metadata.IMPORTER,
    holosoma.IMPORTER,
    plain_onnx.IMPORTER,
    torch_archive.IMPORTER,
)
"""All of them, in the order in which help and errors list them."""
