"""Who listens to command topics: parameters of the controllers, and their manager's word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rclpy.node import Node

from ..doctor.survey import Controller
from .endpoints import named_topic
from .parameters import ask_parameters, call

_LIST = 'controller_manager_msgs/srv/ListControllers'
_TIMEOUTS = ('cmd_vel_timeout', 'reference_timeout', 'cmd_timeout', 'command_timeout')
"""What controllers call the time after the last command at which they stop; in seconds."""
_INTERFACES = ('interface_name', 'command_interfaces')


def ask_controllers(
    node: Node, targets: Iterable[str], timeouts: bool = False
) -> tuple[dict[str, tuple[Controller, ...]], str]:
    """
    Return who listens to each command topic, and what could not be asked.

    :param targets: the command topics as the wiring has them.
    :param timeouts: ask for their timeouts, too: a question for each name that one can have.
    """
    listeners = {
        name: sorted({one.node for one in named_topic(node, name).subscribers}) for name in targets
    }
    managed, problem = _managed(node)
    offered = {name for name, _ in node.get_service_names_and_types()}
    found = {}
    for name, there in listeners.items():
        found[name] = tuple(
            _controller(node, one, managed, timeouts)
            for one in there
            if f'{one}/get_parameters' in offered
        )
    return found, problem


def _controller(node: Node, name: str, managed: Mapping[str, Any], timeouts: bool) -> Controller:
    answer = ask_parameters(node, name, ['joints']) or {}
    if answer.get('joints'):  # only of a controller anything more is asked
        answer.update(ask_parameters(node, name, _INTERFACES) or {})
    known = managed.get(name)
    interfaces = [*_texts(answer.get('interface_name')), *_texts(answer.get('command_interfaces'))]
    if not interfaces and known is not None:
        claimed = known.claimed_interfaces or known.required_command_interfaces
        interfaces = sorted({one.rsplit('/', 1)[-1] for one in claimed})
    return Controller(
        node=name,
        state='' if known is None else known.state,
        joints=_texts(answer.get('joints')),
        interfaces=tuple(interfaces),
        timeouts=_timeouts(ask_parameters(node, name, _TIMEOUTS) or {}) if timeouts else {},
    )


def _timeouts(answer: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(one) for name, one in answer.items() if isinstance(one, int | float)}


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(one for one in value or () if isinstance(one, str))


def _managed(node: Node) -> tuple[dict[str, Any], str]:
    """Return what the controller managers of the graph know, by full name of the controller."""
    managers = [name for name, types in node.get_service_names_and_types() if _LIST in types]
    if not managers:
        return {}, 'there is no controller_manager on the graph'
    try:
        from controller_manager_msgs.srv import ListControllers
    except ImportError:
        return {}, 'controller_manager_msgs is not in this environment to ask the manager with'
    found: dict[str, Any] = {}
    for service in managers:
        response = call(node, ListControllers, service, ListControllers.Request())
        if response is None:
            return found, f'{service} did not answer'
        namespace = service.rsplit('/', 2)[0]
        found.update((f'{namespace}/{one.name}', one) for one in response.controller)
    return found, ''
