"""A contract in the making: what is known, from where, and what is still to be asked."""

from __future__ import annotations

import hashlib
import pathlib
from typing import Any

from ..errors import AnswerError
from ..policy.contract_types import Fact
from ..policy.onnx_one_file import in_one_file
from .answers import Answers
from .questions import Expected, Question
from .source_file import SourceFile


class Draft:
    """
    What an importer makes of an artifact and of the answers that there are.

    An importer is a function of both: it is run again with every further answer, and may then have
    other questions. Every fact of the contract passes :meth:`known` or :meth:`ask`, so that each
    has a source, and so that an answer that nobody asked for is noticed.

    :param answers: what the user has said so far.
    """

    def __init__(self, answers: Answers) -> None:
        self.tree: dict[str, Any] = {}
        """The contract as plain data, as ``policy.yaml`` writes it."""
        self.files: dict[str, bytes] = {}
        """The bundle's other files by name."""
        self.facts: dict[str, Fact] = {}
        """Where each fact comes from, by its key."""
        self.open: list[Question] = []
        """Questions without an answer, in the order in which to ask them."""
        self.more_follow = False
        """Further questions depend on the answers to the open ones."""
        self.notes: list[str] = []
        """What the user should be told: which files were taken, what was left out."""
        self.runs_programs = False
        """Whether an artifact that is a program is run once, in a worker, before it is written."""
        self.artifact_path = pathlib.Path()
        """The file that the artifact comes from."""
        self._answers = answers
        self._keys: list[str] = []

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys of all facts and questions so far."""
        return tuple(self._keys)

    @property
    def unused(self) -> tuple[str, ...]:
        """Return the keys of answers that nothing here is called."""
        return tuple(key for key in self._answers if key not in self._keys)

    def known(
        self,
        key: str,
        value: Any,
        where: str,
        expected: Expected | None = None,
        source: str = 'file',
    ) -> Any:
        """
        Return a value that the artifact says, and remember where; or what overrides it.

        :param key: its place in the contract.
        :param value: plain data.
        :param where: file and field.
        :param expected: reads an answer that overrides it; None where nothing can.
        :param source: ``artifact`` (in the network's own file) or ``file`` (beside it).
        :raises AnswerError: an answer contradicts it, and does not say that it overrides.
        """
        self._keys.append(key)
        answer = self._answers.get(key)
        self.facts[key] = Fact(source, where)
        if answer is None:
            return value
        given = answer.value if expected is None else self._read(key, expected)
        if _plain(given) == _plain(value):
            return value
        if answer.overrides and expected is not None:
            self.facts[key] = Fact('user', f'instead of {_shown(value)} of {where}')
            return given
        way_on = f', or write --override {key}=… to use it all the same'
        if expected is None:
            way_on = '; what the contract makes of it is in several places, so change these in '
            way_on += 'the policy.yaml of the bundle'
        raise AnswerError(
            f'{answer.origin}: {where} says {_shown(value)}, the answer is {_shown(given)}. Leave '
            f'it out{way_on}'
        )

    def ask(self, question: Question) -> Any:
        """
        Return the answer to a question; None while there is none.

        :raises AnswerError: the answer is not what is expected.
        """
        self._keys.append(question.key)
        answer = self._answers.get(question.key)
        if answer is None:
            self.open.append(question)
            return None
        value = self._read(question.key, question.expected)
        self.facts[question.key] = Fact('user')
        return value

    def label(self, key: str, value: Any, where: str, expected: Expected) -> Any:
        """Return a value that is a mere label, such as the name: the user's if there is one."""
        self._keys.append(key)
        if self._answers.get(key) is None:
            self.facts[key] = Fact('file', where)
            return value
        self.facts[key] = Fact('user')
        return self._read(key, expected)

    def unknown(self, key: str, why: str) -> None:
        """Remember that a fact which a contract need not have is not known."""
        self.facts[key] = Fact('unknown', why)

    def add_file(self, name: str, data: bytes) -> dict[str, str]:
        """Put a file into the bundle; returns ``file`` and ``sha256`` for the contract."""
        self.files[name] = data
        return {'file': name, 'sha256': hashlib.sha256(data).hexdigest()}

    def take(self, what: str, file: SourceFile) -> None:
        """Note that a file beside the main one is used."""
        note = f'{what}: {file.path}'
        if note not in self.notes:
            self.notes.append(note)

    def set_artifact(self, name: str, data: bytes, backend: str, file: SourceFile) -> None:
        """
        Put the artifact into the bundle and into the contract; an ONNX model as one file.

        :param name: its name in the bundle.
        :param data: the artifact.
        :param backend: what runs it.
        :param file: where it comes from: its other files are beside it.
        :raises ArtifactError: another file of a model is missing, or is refused.
        """
        if backend == 'onnx':
            data = in_one_file(data, file.path)
        self.tree['artifact'] = {**self.add_file(name, data), 'backend': backend}
        self.artifact_path = file.path

    def _read(self, key: str, expected: Expected) -> Any:
        answer = self._answers.get(key)
        assert answer is not None
        try:
            return expected.read(answer.value)
        except ValueError as problem:
            raise AnswerError(f'{answer.origin}: {problem}') from problem


def _plain(value: Any) -> Any:
    """Return a value so that equal ones compare equal: tuples as lists, whole numbers as such."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


def _shown(value: Any) -> str:
    text = str(_plain(value))
    return text if len(text) <= 80 else f'{text[:77]}…'
