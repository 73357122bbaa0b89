"""``fournex demo``: a simulated robot, its trained policy, real ROS 2, a verified recording."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING

from ..errors import FournexError, MissingDependencyError
from ..session.wiring import Wiring, load_wiring
from .child import Child
from .demo_tasks import TASKS, Task
from .discovery import discovery_profiles
from .examples import ROBOTS, example_wiring
from .parser import Parser, positive, whole_number
from .ros_imports import needing_ros

if TYPE_CHECKING:
    from .demo_watch import Watch

FAILED = 1
TERMINATED = 143
_READY_S = 60.0
_DISCOVERY_S = 1.0
_END_S = 10.0
_LINE_S = 0.2
_PLAIN_LINE_S = 2.0
_AFTER_LINE = '\n'


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'demo',
        'Bring up a simulated robot and the runtime as two processes that talk over real ROS 2; '
        'the trained\npolicy does its task. Every tick is recorded, then run again and compared '
        'bit for bit.',
        (
            ('fournex demo', 'the rover drives to three goals'),
            ('fournex demo arm', 'the arm reaches for four targets'),
            ('fournex demo pendulum', 'a recurrent policy keeps a pole up for 20 s'),
        ),
    )
    found.add_argument(
        'robot',
        nargs='?',
        default='rover',
        choices=ROBOTS,
        metavar='ROBOT',
        help=f'{", ".join(ROBOTS)} (rover)',
    )
    found.add_argument(
        '--out',
        type=pathlib.Path,
        default=pathlib.Path('runs'),
        metavar='DIR',
        help='folder for recordings, each in a folder of its own (runs)',
    )
    found.add_argument(
        '--bundle',
        type=pathlib.Path,
        metavar='BUNDLE',
        help='drive with this policy instead: a folder, or name@version of the registry',
    )
    found.add_argument(
        '--seconds', type=positive, metavar='S', help='end after so long, task done or not'
    )
    found.add_argument(
        '--seed',
        type=whole_number(1),
        metavar='N',
        help='of the episode: another room, another start',
    )
    found.add_argument(
        '--steps-before',
        type=whole_number(0),
        default=0,
        metavar='N',
        help='count the steps shown from here on (for a Makefile that made some before)',
    )
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    with _terminable():
        wiring = load_wiring(example_wiring(options.robot), options.bundle)
        _environment(options.out)
        _require_ros()
        try:
            return _demo(wiring, options.out, options.seed, options.seconds, options.steps_before)
        except KeyboardInterrupt as interrupted:
            left = f' The bag up to here: {interrupted}' if str(interrupted) else ''
            print(f'{_AFTER_LINE if sys.stdout.isatty() else ""}Interrupted.{left}', flush=True)
            raise


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C keep the end of a process from being waited for."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that no process stays behind."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _demo(
    wiring: Wiring, out: pathlib.Path, seed: int | None, seconds: float | None, steps: int
) -> int:
    task = TASKS[wiring.robot]
    seed = seed or task.seed
    total = steps + 2
    with tempfile.TemporaryDirectory(prefix='.demo-', dir=out) as logs:
        bag, done = _drive(
            wiring,
            task,
            out,
            seed,
            seconds or task.limit_s,
            pathlib.Path(logs),
            f'[{steps + 1}/{total}]',
        )
    from .replay import replay

    status = replay(bag, {}, prefix=f'[{total}/{total}] ')
    print(f'Bag       {bag}   (open it in Foxglove; fournex inspect {bag})')
    _draw(bag, wiring.robot, seed, task.goals)
    if not done:
        print('The task was not finished. Another seed: --seed N; more time: --seconds S')
        return FAILED
    return status


def _environment(out: pathlib.Path) -> None:
    """Keep the demo to this machine, unless the user has said otherwise, and its logs with it."""
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ.setdefault('ROS_LOG_DIR', str((out / 'log').absolute()))
    for variable, profile in discovery_profiles().items():
        os.environ.setdefault(variable, profile)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FournexError(f'--out {out}: cannot be made: {problem.strerror}') from problem


def _require_ros() -> None:
    with needing_ros('the demo'):
        import rclpy  # noqa: F401

        from fournex_msgs.msg import SessionStatus  # noqa: F401


def _drive(
    wiring: Wiring,
    task: Task,
    out: pathlib.Path,
    seed: int,
    seconds: float,
    logs: pathlib.Path,
    step: str,
) -> tuple[pathlib.Path, bool]:
    """Run both processes until the task is over; returns the bag and whether it was done."""
    from .demo_watch import Watch

    session = wiring.sessions[0]
    bundle = wiring.bundles[session.name]
    contract = bundle.contract
    simulator = _parameters(
        robot=wiring.robot, seed=seed, goals=task.goals, exit_with_parent='true'
    )
    runtime = _parameters(
        wiring=wiring.file.absolute(),
        bundle=bundle.folder.absolute(),
        record=out.absolute(),
        graph_timeout=_READY_S,
        exit_with_parent='true',
    )
    children: list[Child] = []
    bag: pathlib.Path | None = None
    try:
        with Watch(session, lambda: _check(children)) as watch:
            watch.require_alone(_DISCOVERY_S)
            for name, module, arguments in (
                ('simulator', 'fournex_runtime.sim.node', simulator),
                ('runtime', 'fournex_runtime.ros.runtime', runtime),
            ):
                children.append(Child(name, module, arguments, logs / f'{name}.log'))
            watch.until(
                'simulator and runtime up',
                _READY_S,
                lambda: bool(watch.status and watch.simulation and watch.status.recording),
            )
            bag = _shown(pathlib.Path(watch.status.recording), out)
            print(
                f'{step} {wiring.robot}: simulator and runtime up, session "{session.name}" '
                f'active ({contract.reference}, {1e9 / contract.period_ns:g} Hz)',
                flush=True,
            )
            watch.begin_episode('demo', seed)
            _follow(watch, task, seconds)
            done = bool(watch.simulation.done and watch.simulation.success)
    except KeyboardInterrupt:
        raise KeyboardInterrupt('' if bag is None else str(bag)) from None
    finally:
        with _undisturbed():
            problems = [child.end(_END_S) for child in reversed(children)]  # the runtime first
        if bag is not None and bag.is_dir():
            for child in children:
                shutil.copy(child.log, bag)
    for child, problem in zip(reversed(children), problems):
        if problem:
            raise FournexError(f'{problem}. Its last words:\n{child.last_words()}')
    return bag, done


def _parameters(**values: object) -> list[str]:
    arguments = ['--ros-args']
    for name, value in values.items():
        arguments += ['-p', f'{name}:={value}']
    return arguments


def _check(children: Sequence[Child]) -> None:
    for child in children:
        if child.ended:
            raise FournexError(f'{child.ended}. Its last words:\n{child.last_words()}')


def _follow(watch: Watch, task: Task, seconds: float) -> None:
    """Show the state of the run until the task is over or the time is up."""
    live = sys.stdout.isatty()
    every_s = _LINE_S if live else _PLAIN_LINE_S
    end = time.monotonic() + seconds
    shown = 0.0
    while not watch.simulation.done and time.monotonic() < end:
        watch.spin()
        if time.monotonic() - shown >= every_s:
            shown = time.monotonic()
            _show(watch.line(task), live)
    # Of two further statuses the second is surely from after the last reward has come.
    enough = watch.statuses + 2
    watch.until('another status', _READY_S, lambda: watch.statuses >= enough)
    _show(watch.line(task), live)
    if live:
        print()


def _show(line: str, live: bool) -> None:
    if not live:
        print(f'      {line}', flush=True)
        return
    width = shutil.get_terminal_size().columns
    print(f'\r\033[K      {line}'[: width + 4], end='', flush=True)


def _draw(bag: pathlib.Path, robot: str, seed: int, goals: int) -> None:
    from .picture import picture

    out = bag / 'run.png'
    try:
        picture(bag, out, robot, seed, goals)
    except MissingDependencyError as problem:
        print(f'Picture   none: {problem}')
    else:
        print(f'Picture   {out}')


def _shown(folder: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    """Return the folder as the user would write it."""
    try:
        return out / folder.relative_to(out.absolute())
    except ValueError:
        return folder
