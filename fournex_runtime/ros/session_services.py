"""The services of a runtime: what other nodes may ask of its sessions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from fournex_msgs.srv import ResetEpisode, StopSession, UsePolicy

from ..errors import FournexError
from .hosted import HostedSession
from .loop import Loop


class SessionServices:
    """
    ``~/reset_episode``, ``~/stop_session`` and ``~/use_policy``.

    Answered on an executor's thread, done by the loop.

    :param node: the runtime's node.
    :param loop: what ticks the sessions.
    :param sessions: returns the sessions that there are.
    :param active: returns whether they tick.
    :param group: callback group of the services.
    """

    def __init__(
        self,
        node: Node,
        loop: Loop,
        sessions: Callable[[], Sequence[HostedSession]],
        active: Callable[[], bool],
        group: CallbackGroup,
    ) -> None:
        self._loop = loop
        self._sessions = sessions
        self._active = active
        for kind, name, answer in (
            (ResetEpisode, '~/reset_episode', self._reset_episode),
            (StopSession, '~/stop_session', self._stop_session),
            (UsePolicy, '~/use_policy', self._use_policy),
        ):
            node.create_service(kind, name, answer, callback_group=group)

    def _session(self, name: str) -> HostedSession:
        sessions = self._sessions()
        if not name and len(sessions) == 1:
            return sessions[0]
        for session in sessions:
            if session.name == name:
                return session
        known = ', '.join(session.name for session in sessions) or 'none is configured'
        raise FournexError(f'no session {name!r}; sessions here: {known}')

    def _refuse_inactive(self) -> None:
        if not self._active():
            raise FournexError('the runtime is not active')

    def _reset_episode(
        self, request: ResetEpisode.Request, response: ResetEpisode.Response
    ) -> ResetEpisode.Response:
        metadata = tuple((one.key, one.value) for one in request.metadata)
        try:
            session = self._session(request.session)
            self._refuse_inactive()
            response.episode = self._loop.call(
                lambda: session.request_episode(request.episode, request.seed, metadata)
            )
            response.success = True
        except (FournexError, TimeoutError) as problem:
            response.message = str(problem)
        return response

    def _use_policy(
        self, request: UsePolicy.Request, response: UsePolicy.Response
    ) -> UsePolicy.Response:
        try:
            session = self._session(request.session)
            self._refuse_inactive()
            response.message = self._loop.call(
                lambda: session.request_policy(request.policy, request.cause)
            )
            response.success = True
        except (FournexError, TimeoutError) as problem:
            response.message = str(problem)
        return response

    def _stop_session(
        self, request: StopSession.Request, response: StopSession.Response
    ) -> StopSession.Response:
        cause = request.cause or 'stop requested'
        try:
            self._refuse_inactive()
            chosen = [self._session(request.session)] if request.session else self._sessions()
            for session in chosen:
                self._loop.call(functools.partial(session.request_stop, cause))
            response.success = True
        except (FournexError, TimeoutError) as problem:
            response.message = str(problem)
        return response
