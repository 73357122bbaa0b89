"""Who listens to command topics: parameters of the controllers, and their manager's word."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from rclpy.node import Node

from ..doctor.survey import Controller
from .endpoints import graph_topic
from .parameters import ask_parameters, call

_LIST = 'controller_manager_msgs/srv/ListControllers'
NAMES_S = 2.0
"""How long a node that is there may be without a name."""
_INTERFACES = ('interface_name', 'command_interfaces')


def ask_controllers(
    node: Node, targets: Iterable[str]
) -> tuple[dict[str, tuple[Controller, ...]], str]:
    """
    Return who listens to each command topic, and what could not be asked.

    :param targets: the command topics as the wiring has them.
    """
    listeners = {name: _listeners(node, name) for name in targets}
    managed, problem = _managed(node)
    offered = {name for name, _ in node.get_service_names_and_types()}
    found = {}
    for name, there in listeners.items():
        found[name] = tuple(
            _controller(node, one, managed) for one in there if f'{one}/get_parameters' in offered
        )
    return found, problem


def _listeners(node: Node, topic: str) -> list[str]:
    """Return the nodes that subscribe to a topic, once their names are known: these come last."""
    deadline = time.monotonic() + NAMES_S
    while True:
        names = sorted({one.node for one in graph_topic(node, topic).subscribers})
        if not any('UNKNOWN' in name for name in names) or time.monotonic() >= deadline:
            return names
        time.sleep(0.02)


def _controller(node: Node, name: str, managed: Mapping[str, Any]) -> Controller:
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
    )


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
