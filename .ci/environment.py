#!/usr/bin/env python3
"""
Set up what Fournex is built, run and tested in, and run commands there.

Usage::

    environment.py prepare [--torch]           make environments and build, where not yet done
    environment.py run [--torch] -- COMMAND    the same, then run a command in it

``ROS`` (jazzy, kilted) and ``PYTHON`` in the environment choose; a ROS 2 that is sourced is used
unless ``ROS`` names another one. Everything is made inside the checkout. Runs on the standard
library of any Python from 3.8.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pathlib
import sys

import interpreters
import progress
import sourced
import virtual_environment
import workspace

ROOT = pathlib.Path(os.path.abspath(__file__)).parent.parent
PINS = ROOT / 'config' / 'environments'
DEFAULT_ROS = 'jazzy'
ROS_SECONDS = 40
BUILD_SECONDS = 20
TORCH_SECONDS = 120


class House:
    """
    What is chosen, and where it lies.

    :param environment: environment variables of the caller
    """

    def __init__(self, environment):
        asked = environment.get('ROS', '')
        self.wanted_python = environment.get('PYTHON', '')
        ros = sourced.find(environment, ROOT)
        if ros is not None and asked and asked != ros.distro:
            print('ROS=%s: the sourced ROS 2 %s is left aside.' % (asked, ros.distro))
            ros = None
        self.ros = ros
        if ros is None:
            self.distro = name = asked or DEFAULT_ROS
            pins = PINS / (self.distro + '.txt')
            if not pins.exists():
                known = sorted({p.stem for p in PINS.glob('*.txt')} - {'build', 'common', 'torch'})
                raise interpreters.Missing(
                    'ROS=%s: known are %s.' % (self.distro, ' and '.join(known))
                )
            self.environment = sourced.without_ros(environment, ROOT)
        else:
            self.distro, name = ros.distro, ros.distro + '-sourced'
            pins = PINS / 'common.txt'
            self.environment = dict(environment)
        self.folder = ROOT / 'build' / name
        self.venv = virtual_environment.VirtualEnvironment(
            ROOT / ('.venv-' + name), pins, self.folder / 'log' / 'pip.log', ros
        )
        self.torch = virtual_environment.VirtualEnvironment(
            ROOT / '.venv-torch', PINS / 'torch.txt', ROOT / 'build' / 'torch' / 'log' / 'pip.log'
        )
        self.workspace = workspace.Workspace(ROOT, self.folder, self.venv, self.distro)

    def prepare(self, total, with_torch):
        """
        Make what is not yet there.

        :param total: number of steps, these and those of the caller
        :param with_torch: whether the environment for training is wanted too
        """
        steps = progress.Steps(total)
        torch_job = torch_python = None
        if with_torch and not self.torch.is_ready():
            torch_python = self._choose_python(self.torch)
            print(
                'torch is large: about 1.2 GB on disk as a CPU build, several GB with CUDA as '
                'PyPI has it for x86-64.\nOnly tests of training need it; TORCH=0 leaves it out.',
                flush=True,
            )
        try:
            self._prepare_ros(steps)
            if torch_python is not None:
                # Beside the build: the one waits for files, the other for the compiler.
                torch_job = self.torch.make(torch_python, sourced.without_ros(os.environ, ROOT))
            self._prepare_workspace(steps)
            if with_torch:
                self._prepare_torch(steps, torch_job, torch_python)
        except BaseException:
            if torch_job is not None:
                torch_job.stop()
            raise

    def _choose_python(self, venv):
        """Return the user's choice, the Python it is made from already, or the best there is."""
        present = venv.stamp().get('executable', '')
        if not self.wanted_python and present and interpreters.ask(present) is not None:
            return interpreters.choose(present, ROOT)
        return interpreters.choose(self.wanted_python, ROOT)

    def _prepare_ros(self, steps):
        where = self.venv.folder.name
        if self.ros is None:
            title = 'ROS 2 %s into %s' % (self.distro.capitalize(), where)
        else:
            title = 'what the sourced ROS 2 %s lacks into %s' % (self.distro.capitalize(), where)
        if self.venv.is_ready(self.wanted_python):
            steps.ready(title)
            return
        if self.ros is None:
            interpreter = self._choose_python(self.venv)
        else:
            interpreter = self.ros.python()
        interpreters.require_tools(self.environment)
        step = steps.begin('%s, Python %s' % (title, interpreter.short), ROS_SECONDS)
        self.venv.make(interpreter, self.environment).wait(step)
        self.venv.finish(interpreter)
        step.done()

    def _prepare_workspace(self, steps):
        title = 'building fournex_msgs and fournex_runtime'
        if self.workspace.is_ready():
            steps.ready(title)
            return
        interpreters.require_tools(self.environment)
        step = steps.begin(title, BUILD_SECONDS)
        self.workspace.build(step, self.environment)
        step.done()

    def _prepare_torch(self, steps, job, interpreter):
        title = 'torch and Stable-Baselines3 into .venv-torch'
        if job is None:
            steps.ready(title)
            return
        step = steps.begin(title, TORCH_SECONDS)
        job.wait(step)
        self.torch.finish(interpreter)
        step.done()

    def run(self, command, with_torch):
        """
        Become a command that runs in the environment.

        :param command: the command and its arguments
        :param with_torch: whether it may use the environment for training
        """
        environment = self.workspace.environment(self.environment)
        environment.setdefault('ROS_LOG_DIR', str(self.folder / 'log' / 'ros'))
        # A robot on the same network must not hear what a demo or a test says.
        environment.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        environment.pop('FOURNEX_TORCH_PYTHON', None)
        if with_torch:
            environment['FOURNEX_TORCH_PYTHON'] = str(self.torch.python)
        for name in ('ROS', 'PYTHON', 'MAKEFLAGS', 'MAKELEVEL', 'MFLAGS'):
            environment.pop(name, None)
        os.execvpe(command[0], command, environment)


def main(arguments):
    """
    Run the script.

    :param arguments: what follows its name on the command line
    :returns: exit status
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', 1)[0])
    parser.add_argument('verb', choices=('prepare', 'run'))
    parser.add_argument('--torch', action='store_true', help='with the environment for training')
    parser.add_argument('--steps', type=int, help='number of steps to count to', default=0)
    mark = arguments.index('--') if '--' in arguments else len(arguments)
    options = parser.parse_args(arguments[:mark])
    command = arguments[mark + 1 :]
    if (options.verb == 'run') != bool(command):
        parser.error('run takes a command after --, prepare takes none')
    try:
        house = House(dict(os.environ))
        with _lock():
            house.prepare(options.steps or 2 + options.torch, options.torch)
    except (interpreters.Missing, progress.StepFailed) as problem:
        print('\n%s' % problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\nInterrupted; the next run takes up where this one stopped.', file=sys.stderr)
        return 130
    if options.verb == 'run':
        sys.stdout.flush()
        house.run(command, options.torch)
    return 0


def _lock():
    """Return a lock, held while it is open, that keeps two runs from making the same things."""
    folder = ROOT / 'build'
    folder.mkdir(exist_ok=True)
    file = open(str(folder / '.lock'), 'w')
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print('Waiting for another run in this checkout to finish its set-up ...', flush=True)
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
