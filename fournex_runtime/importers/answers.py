"""What the user says about an artifact: ``--set key=value``, an answers file, what was typed."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import AnswerError, FournexError
from .foreign_data import read_yaml


@dataclasses.dataclass(frozen=True)
class Answer:
    """
    One answer.

    :param value: plain data.
    :param origin: where it was given, for messages: ``--set``, a file, ``typed in``.
    :param overrides: it may contradict what the artifact says.
    """

    value: Any
    origin: str
    overrides: bool = False


class Answers:
    """Answers by the key of their question; each key once."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}

    def __iter__(self) -> Iterator[str]:
        """Return the keys that have an answer."""
        return iter(self._answers)

    def get(self, key: str) -> Answer | None:
        """Return the answer to a question, or None."""
        return self._answers.get(key)

    def add(self, key: str, answer: Answer) -> None:
        """
        Take an answer.

        :raises AnswerError: there is one already.
        """
        before = self._answers.get(key)
        if before is not None:
            raise AnswerError(
                f'{key} is answered twice: by {before.origin} and by {answer.origin}'
            )
        self._answers[key] = answer

    def add_settings(self, settings: Sequence[str], option: str, overrides: bool = False) -> None:
        """
        Take answers from the command line.

        :param settings: texts such as ``period=20 ms``; the value is YAML.
        :param option: the option that they came with, for messages.
        :param overrides: they may contradict the artifact.
        :raises AnswerError: one is not of that form, or for a key that has an answer.
        """
        for setting in settings:
            key, equals, text = setting.partition('=')
            if not equals or not key.strip() or not text.strip():
                raise AnswerError(
                    f'{option} {setting}: expected KEY=VALUE, such as {option} period="20 ms"'
                )
            value = typed(text, f'{option} {key}')
            self.add(key.strip(), Answer(value, f'{option} {key.strip()}', overrides))

    def add_file(self, file: pathlib.Path) -> None:
        """
        Take the answers of a YAML file: a mapping of keys to values; null is no answer.

        :raises AnswerError: it cannot be read, or is not such a mapping.
        """
        try:
            found = read_yaml(file.read_bytes(), str(file))
        except OSError as problem:
            raise AnswerError(f'{file}: cannot be read: {problem.strerror}') from problem
        except FournexError as problem:
            raise AnswerError(str(problem)) from problem
        if found is not None and not isinstance(found, dict):
            raise AnswerError(f'{file}: expected a mapping of keys to answers')
        for key, value in (found or {}).items():
            if value is not None:
                self.add(key, Answer(value, str(file)))


def typed(text: str, origin: str) -> Any:
    """
    Return what a text typed by a person says, as YAML: ``[a, b]``, ``0.25``, ``20 ms``.

    :raises AnswerError: it is no YAML.
    """
    try:
        return read_yaml(text.strip().encode(), origin)
    except FournexError as problem:
        raise AnswerError(str(problem)) from problem
