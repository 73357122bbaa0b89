"""
With what a policy is run on this machine: providers, threads, the Python of its worker.

That belongs to the robot, so it is written in the wiring (``inference:``) and not in the contract.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from ..configuration import Section
from ..errors import ArtifactError
from .contract_types import DATA_BACKENDS

PROVIDERS = ('cpu', 'cuda', 'tensorrt')
"""What a policy can be computed by, as wirings name it."""

ANSWER_PART = 0.8
"""
Of a period: how long an answer may take where the wiring says nothing.

The rest is for the reaction's command to be out before the next release.
"""

MOST_THREADS = 1024
MOST_MEMORY_MIB = 1 << 20
"""What a wiring can ask for at most, which is beyond what a robot has."""

ISOLATIONS = ('process', 'inline')
"""Where a policy can run: in a worker, or in the process that asks it."""


@dataclasses.dataclass(frozen=True)
class Inference:
    """
    With what a policy is run.

    :param providers: what it is computed by, the first that is there. None is used, or added,
        that is not named.
    :param threads: how many processor threads its library may use.
    :param python: the Python of its worker; None for the default. What runs in this process has
        no use for it.
    :param budget_ns: how much of a period, from the begin of its tick, the answer of its worker
        may take; 0: ``ANSWER_PART`` of the period.
    :param isolation: ``process``: in a worker; ``inline``: in this process, what is a program in
        a worker still.
    :param cores: processor cores that its worker may run on; empty for all.
    :param memory_bytes: how much memory its worker may take beside what its libraries take.
    :param spare: keep a second worker, loaded and warmed up, for when the first one dies.
    :param batch: ask it together with other sessions that run the same artifact with the same
        means.
    :param deterministic: what a session gets may not depend on who asks with it.
    :param rows: how many sessions ask it together; no setting, but counted by who loads it.
    :param priority: of its worker, of ``SCHED_FIFO``; 0 for none. It, ``lock_memory`` and
        ``spin_ns`` are from the wiring's ``realtime``.
    :param lock_memory: keep every page of its worker in memory.
    :param spin_ns: how long an answer is looked for before it is waited for asleep.
    """

    providers: tuple[str, ...] = ('cpu',)
    threads: int = 1
    python: pathlib.Path | None = None
    budget_ns: int = 0
    isolation: str = 'process'
    cores: tuple[int, ...] = ()
    memory_bytes: int = 4 << 30
    spare: bool = False
    batch: bool = True
    deterministic: bool = True
    rows: int = 1
    priority: int = 0
    lock_memory: bool = False
    spin_ns: int = 0

    def answer_ns(self, period_ns: int) -> int:
        """Return how much of a control period an answer may take."""
        if self.isolation == 'inline':
            return period_ns
        return self.budget_ns or int(period_ns * ANSWER_PART)

    def inline(self) -> Inference:
        """Return the same in the process that asks: for what drives no robot."""
        return dataclasses.replace(
            self,
            budget_ns=0,
            isolation='inline',
            cores=(),
            spare=False,
            priority=0,
            lock_memory=False,
            spin_ns=0,
        )

    def with_default_python(self, python: str, backend: str) -> Inference:
        """
        Return the same with the Python that programs run under where the wiring names none.

        :param python: its path; empty for none.
        :param backend: that of the policy.
        """
        if not python or self.python is not None or backend in DATA_BACKENDS:
            return self
        return dataclasses.replace(self, python=pathlib.Path(python).expanduser())

    def on_another_machine(self) -> Inference:
        """
        Return what comes nearest to it on a machine that may not be the robot's.

        A recording is replayed wherever it is; what ran it there is in its manifest, and the
        difference is reported.
        """
        there = self.python is not None and self.python.is_file()
        cpu = () if 'cpu' in self.providers else ('cpu',)
        return dataclasses.replace(
            self.inline(),
            providers=(*self.providers, *cpu),
            python=self.python if there else None,
        )


DEFAULT_INFERENCE = Inference()
"""That of a wiring which says nothing about it."""
INLINE = DEFAULT_INFERENCE.inline()
"""That of what loads a policy without a wiring."""


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A provider that was asked for and is not used, and why."""

    provider: str
    reason: str

    def __str__(self) -> str:
        """Return both, for people."""
        return f'{self.provider}: {self.reason}'


def read_inference(
    section: Section | None, folder: pathlib.Path, backend: str, period_ns: int, threads: int = 1
) -> Inference:
    """
    Read the section ``inference`` of a wiring.

    :param section: the section; None where the wiring has none.
    :param folder: what a relative ``python`` is relative to.
    :param backend: that of the policy.
    :param period_ns: its control period.
    :param threads: how many its library may use where the section does not say.
    :raises WiringError: it is not valid.
    """
    if section is None:
        return dataclasses.replace(DEFAULT_INFERENCE, threads=threads)
    providers = section.texts('providers', DEFAULT_INFERENCE.providers)
    for one in providers:
        if one not in PROVIDERS:
            raise section.problem('providers', f'{one!r} is not one of {", ".join(PROVIDERS)}')
    if not providers or len({*providers}) != len(providers):
        raise section.problem('providers', 'expected at least one, each only once')
    if 'cpu' in providers[:-1]:
        raise section.problem(
            'providers', 'cpu computes everything, so what stands behind it is never used'
        )
    python = None
    if 'python' in section:
        python = folder / pathlib.Path(section.text('python')).expanduser()
    threads = section.integer('threads', threads, least=1, most=MOST_THREADS)
    isolation = section.choice('isolation', ISOLATIONS, DEFAULT_INFERENCE.isolation)
    cores = section.cores('cores') if 'cores' in section else ()
    if isolation == 'inline':
        if backend not in DATA_BACKENDS:
            raise section.problem(
                'isolation', f'a {backend} artifact is a program, which runs in a worker only'
            )
        for key in ('budget', 'python', 'cores', 'memory', 'spare'):
            if key in section:
                raise section.problem(key, 'is for a worker, and isolation is inline')
    memory_bytes = DEFAULT_INFERENCE.memory_bytes
    if 'memory' in section:
        memory_bytes = section.integer('memory', least=1, most=MOST_MEMORY_MIB) << 20
    budget_ns = 0
    if 'budget' in section:
        budget_ns = section.duration_ns('budget')
        if not 0 < budget_ns <= period_ns:
            raise section.problem(
                'budget',
                f'expected at most the period of the policy, {period_ns / 1e6:g} ms, found '
                f'{section.text("budget")}: a tick that waits longer takes the next release',
            )
    found = Inference(
        providers,
        threads,
        python,
        budget_ns,
        isolation,
        cores,
        memory_bytes,
        section.flag('spare', DEFAULT_INFERENCE.spare),
        section.flag('batch', DEFAULT_INFERENCE.batch),
        section.flag('deterministic', DEFAULT_INFERENCE.deterministic),
    )
    section.finish()
    return found


def describe(library: str, provider: str, threads: int, refused: Sequence[Refusal]) -> str:
    """
    Return what runs a policy, in words: for the manifest, the log and the diagnostics.

    :param library: its library with version.
    :param provider: what computes, by the library's own name.
    :param threads: how many processor threads it may use.
    :param refused: the providers that were asked for before it.
    """
    words = f'{library} {provider}'
    if threads > 1:
        words += f' {threads} threads'
    if refused:
        words += f' (refused: {"; ".join(map(str, refused))})'
    return words


def none_left(file: str, refused: Sequence[Refusal]) -> ArtifactError:
    """Return the error that says why nothing of what was asked for can run an artifact."""
    return ArtifactError(
        f'{file}: nothing of inference: providers: can run it: {"; ".join(map(str, refused))}. '
        'Mend one of them, or add cpu to the list'
    )
