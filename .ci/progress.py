"""What is being done, how long it is going to take, and how long it took."""

from __future__ import annotations

import os
import subprocess
import sys
import time

_BAR = 24


class StepFailed(Exception):
    """A step did not end well; its text says what, and where the whole output is."""


class Steps:
    """
    Numbered steps on standard output.

    On a terminal the present step shows a bar that fills with the time that is expected to pass;
    elsewhere a step prints its title and, now and then, that it is still at it.

    :param total: how many steps there are
    """

    def __init__(self, total):
        self.total = total
        self.number = 0
        self._terminal = sys.stdout.isatty()

    def ready(self, title):
        """Count a step that had been done before, and say so in a line."""
        self.number += 1
        print('[%d/%d] %s: ready' % (self.number, self.total, title), flush=True)

    def begin(self, title, about_s):
        """
        Begin a step.

        :param title: what is done
        :param about_s: how long it takes on two cores, in seconds
        :returns: the step, to be told about passing time and its end
        """
        self.number += 1
        label = '[%d/%d] %s (about %d s)' % (self.number, self.total, title, about_s)
        return Step(label, about_s, self._terminal)


class Step:
    """One step that is under way."""

    def __init__(self, label, about_s, terminal):
        self._label = label
        self._about_s = about_s
        self._terminal = terminal
        self._began = self._spoke = time.monotonic()
        if not terminal:
            print(label + ' ...', flush=True)
        self.tick()

    def tick(self):
        """Show that time passes."""
        now = time.monotonic()
        passed = now - self._began
        if self._terminal:
            full = min(_BAR - 1, int(_BAR * passed / self._about_s))
            bar = '#' * full + '.' * (_BAR - full)
            print('\r%s %s %3d s' % (self._label, bar, passed), end='', flush=True)
        elif now - self._spoke >= 20.0:
            self._spoke = now
            print('      still at it after %d s' % passed, flush=True)

    def done(self):
        """Say how long it took."""
        passed = time.monotonic() - self._began
        if self._terminal:
            print('\r%s %s done in %d s' % (self._label, '#' * _BAR, passed), flush=True)
        else:
            print('      done in %d s' % passed, flush=True)

    def broken(self):
        """End the line, so that a message can follow."""
        if self._terminal:
            print(flush=True)


class Job:
    """
    A command whose output goes to a file.

    :param command: the command and its arguments
    :param log: file that gets everything the command prints
    :param environment: its environment variables; those of this process when left out
    """

    def __init__(self, command, log, environment=None, folder=None):
        self.command = [str(part) for part in command]
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(str(log), 'ab') as output:
            output.write(('$ ' + ' '.join(self.command) + '\n').encode())
            output.flush()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=None if folder is None else str(folder),
            )

    def wait(self, step=None):
        """
        Wait for the end.

        :param step: step to be told that time passes
        :raises StepFailed: the command failed
        """
        try:
            while True:
                try:
                    status = self._process.wait(timeout=0.25)
                    break
                except subprocess.TimeoutExpired:
                    if step is not None:
                        step.tick()
        except BaseException:
            self.stop()
            raise
        if status != 0:
            if step is not None:
                step.broken()
            raise StepFailed(self._failure(status))

    def stop(self):
        """End the command before its time."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _failure(self, status):
        with open(str(self.log), errors='replace') as output:
            lines = output.read().splitlines()
        start = max(i for i, line in enumerate(lines) if line.startswith('$ '))
        shown = [line for line in lines[start + 1 :] if not line.startswith('WARNING: Location')]
        return (
            '%s\n\n%s ended with status %d. Above are the last lines of its output, all of it: %s'
            % (
                '\n'.join(shown[-25:]),
                os.path.basename(self.command[0]),
                status,
                os.path.relpath(str(self.log)),
            )
        )
