"""What each robot does in the demo."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Task:
    """
    What a robot's demo is.

    :param goals: goals or targets of the episode; 0 for a robot that has none.
    :param seed: what the episode is drawn from, unless the user says another.
    :param figure: name of the simulator's figure that counts towards the end of the task.
    :param most: its value at the end.
    :param label: of it in the status line.
    :param limit_s: the demo ends after this even if the task does not.
    """

    goals: int
    seed: int
    figure: str
    most: float
    label: str
    limit_s: float


TASKS = {
    'rover': Task(3, 13, 'goals_reached', 3.0, 'goal', 90.0),
    'arm': Task(4, 10_000, 'targets_reached', 4.0, 'target', 30.0),
    'pendulum': Task(0, 10_000, 'time_up_s', 20.0, 'seconds up', 30.0),
}
