"""How often a rover policy reaches its goals without contact, in the environment of training."""

from __future__ import annotations

import pathlib

import numpy as np
import onnxruntime

from .env import Disturbance, RoverEnv

FIRST_SEED = 10_000


def evaluate(policy: pathlib.Path, rooms: int, goals: int, delay_steps: int) -> str:
    """
    Return a line with the figures of ``rooms`` episodes.

    :param policy: the ONNX file.
    :param rooms: seeds from ``FIRST_SEED`` on, one episode each.
    :param goals: of each episode.
    :param delay_steps: simulation steps from an observation to the command that follows.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(policy, options, providers=['CPUExecutionProvider'])
    env = RoverEnv(goals, Disturbance(command_delay_steps=delay_steps))
    contacts, failed, times = 0, [], []
    for room in range(FIRST_SEED, FIRST_SEED + rooms):
        observation, _ = env.reset(seed=room)
        done = False
        while not done:
            (action,) = session.run(['action'], {'obs': observation[np.newaxis]})
            observation, _, settled, late, info = env.step(action[0])
            done = settled or late
        contacts += int(info['contact'])
        if info['is_success']:
            times.append(info['time_s'])
        else:
            failed.append(room)
    spread = np.percentile(times, (50, 90)) if times else np.array((np.nan, np.nan))
    return (
        f'{len(times):4d} of {rooms} reached, {contacts} contacts, '
        f'time p50 {spread[0]:.1f} s p90 {spread[1]:.1f} s, '
        f'goals {goals}, delay {delay_steps * env.robot.step_ns // 1_000_000} ms, '
        f'failed in {failed}'
    )
