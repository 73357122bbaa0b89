"""An imported bundle in a session: made-up messages in, its real artifact asked, commands out."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import yaml

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import load_bundle
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import (
    Answer,
    AnswerKind,
    EpisodeStart,
    Mode,
    Received,
    TickInputs,
    TickRecord,
)
from fournex_runtime.session.wiring import parse_wiring

UNLIMITED = {'min': -1e9, 'max': 1e9, 'rate': 'unlimited'}
ARRAY = 'std_msgs/msg/Float64MultiArray'


class ImportedSession:
    """
    Ticks of a session whose policy is an imported bundle.

    :param folder: the bundle.
    :param inputs: topic, type and what else it needs for each observation term that is wired.
    :param outputs: likewise for action terms; those left out are arrays, on topics of their names.
    :param backend: what answers; the artifact of the bundle when left out.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        inputs: Mapping[str, Mapping[str, Any]],
        outputs: Mapping[str, Mapping[str, Any]] | None = None,
        backend: Any = None,
    ) -> None:
        bundle = load_bundle(folder)
        self.contract = bundle.contract
        terms = self.contract.action_terms
        session = {
            'policy': str(folder),
            'inputs': {name: {'budget': 'forever', **one} for name, one in inputs.items()},
            'outputs': {
                one.name: _output(one, (outputs or {}).get(one.name, {})) for one in terms
            },
            'limits': {one.name: {'all': UNLIMITED} for one in terms},
            'reactions': {'default': 'stop'},
        }
        text = yaml.safe_dump({'robot': 'made-up', 'sessions': {'it': session}}, sort_keys=False)
        wiring = parse_wiring(text, pathlib.Path('wiring.yaml'), {'it': bundle}).sessions[0]
        self.engine = Engine(bundle, wiring, messages())
        self.backend = backend or load_backend(bundle, timeout_s=20.0)
        self._state = self.engine.initial_state()
        self._now_ns = 1_000_000_000
        self._taken = 0

    def tick(self, data: Mapping[str, bytes], episode: str = '') -> TickRecord:
        """
        Run one tick on one message a topic, with the answer of the artifact.

        :param data: the messages by topic.
        :param episode: begin an episode of this name.
        """
        self._taken += 1
        inputs = TickInputs(
            messages=tuple(
                (Received(self._taken, self._now_ns, data[source.topic]),)
                for source in self.engine.wiring.sources
            ),
            due_ns=self._now_ns,
            steady_ns=self._now_ns,
            ros_ns=self._now_ns,
            episode=EpisodeStart(episode, 7) if episode else None,
        )
        request = self.engine.observe(inputs, self._state)
        assert request.observation is not None or request.playing is not None, request.fault
        answer = Answer(AnswerKind.NONE)
        if request.observation is not None:
            outputs, following = self.backend.run(request.observation.inputs, request.recurrent)
            answer = Answer(AnswerKind.RESULT, outputs, following)
        record, self._state = self.engine.conclude(request, answer, self._state)
        assert record.mode is Mode.POLICY, record.cause
        self._now_ns += self.contract.period_ns
        return record

    def commands(self, data: Mapping[str, bytes], episode: str = '') -> dict[str, list[float]]:
        """Run one tick and return the values that went out, by topic; arrays only."""
        record = self.tick(data, episode)
        return {
            target.topic: messages().decode(sent, ARRAY).data.tolist()
            for target, sent in zip(self.engine.wiring.targets, record.commands)
            if target.type == ARRAY
        }

    def close(self) -> None:
        """End the backend."""
        self.backend.close()


def _output(term: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    found = {'topic': term.name, 'type': ARRAY, **given}
    if term.joints and found['type'] == ARRAY:
        found.setdefault('joints', list(term.joints))
    holds = term.command in ('joint_position_target', 'pose_target')
    found.setdefault('stop', 'hold' if holds else 'zero')
    return found
