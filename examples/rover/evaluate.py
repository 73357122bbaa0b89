"""
Count in how many random rooms a rover policy reaches its goal without contact.

From the root of the checkout::

    PYTHONPATH=. .venv-torch/bin/python examples/rover/evaluate.py
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
import onnxruntime
from env import STEPS, Disturbance, RoverEnv

POLICY = pathlib.Path(__file__).parent / 'bundle' / 'policy.onnx'
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


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('policy', type=pathlib.Path, nargs='?', default=POLICY)
    parser.add_argument('--rooms', type=int, default=100)
    arguments = parser.parse_args()
    for goals in (1, 3):
        for delay in (0, STEPS // 2, STEPS):
            print(evaluate(arguments.policy, arguments.rooms, goals, delay), flush=True)


if __name__ == '__main__':
    main()
