"""Makes the objects that a configuration describes with ``_target_`` and the other keys of a node."""

import inspect
import pkgutil
import re
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from rl_rewards.core.checks import require
from rl_rewards.core.contracts import attributed_to, check_members, is_own
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec
from rl_rewards.rewards.base import RewardSource


def instantiate_part(group: str, node: Mapping[str, Any], **wired: Any) -> Any:
    """Return the object that ``node`` describes; a ConfigError of its constructor is raised unchanged.

    Args:
        group: the key of ``node`` in the configuration; messages begin with it.
        node: plain values.
        wired: further arguments from the runner; only those that the class takes are passed.

    Raises:
        ConfigError: when the keys do not fit the class, or the class lacks members of its contract.
    """
    require("_target_" in node, f"{group} has no _target_; it must name the class to make.")
    node = _with_tokens(node, wired.get("spec"))
    made = _class_of(group, node)
    wired = _check_keys(group, node, made, wired)
    own = is_own(made) | _check_inner(group, node)
    try:
        with attributed_to(place_of(group, node), "its constructor") if own else nullcontext():
            # Partial first, because instantiate would treat a spec among its arguments as configuration.
            return instantiate({**node, "_partial_": True}, _convert_="all")(**wired)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ConfigError):
            cause = cause.__cause__
        if isinstance(cause, ConfigError):
            raise ConfigError(_named_in_full(str(cause), group, str(error))) from None
        raise error from None


def _with_tokens(node: Mapping[str, Any], spec: EnvSpec | None) -> dict[str, Any]:
    """Return ``node`` with the environment's tokens where a model within it leaves ``vocabulary`` or ``pad`` open."""
    if spec is None or spec.text is None:
        return dict(node)
    filled = {key: _with_tokens(one, spec) if isinstance(one, Mapping) else one for key, one in node.items()}
    known = {"vocabulary": spec.text.vocabulary, "pad": spec.text.pad}
    return filled | {key: value for key, value in known.items() if key in filled and filled[key] is None}


def _class_of(group: str, node: Mapping[str, Any]) -> Any:
    """Return the class or function that ``node`` names."""
    try:
        made = pkgutil.resolve_name(node["_target_"])
    except Exception as error:  # any error while the module is imported
        raise ConfigError(f"{place_of(group, node)} cannot be imported: {error}.") from None
    if inspect.isabstract(made):
        contract = next((one for one in made.__mro__ if not is_own(one)), made)
        check_members(made, contract, place_of(group, node))
    return made


def _check_inner(group: str, node: Mapping[str, Any]) -> bool:
    """Check the keys of the parts within a part, such as its model; return True if one of them is a user's own."""
    own = False
    for key, inner in node.items():
        if isinstance(inner, Mapping) and isinstance(inner.get("_target_"), str):
            place = f"{group}.{key}"
            made = _class_of(place, inner)
            if not inner.get("_partial_"):
                _check_keys(place, inner, made, {})
            own |= is_own(made) | _check_inner(place, inner)
    return own


def _named_in_full(message: str, group: str, said: str) -> str:
    """Return a model's ``message`` with its full key instead of ``model.``.

    Args:
        said: Hydra's error message, which ends in the key of the object, relative to ``group``.
    """
    key = re.search(r"full_key: ([\w.]+)\s*$", said)
    return message if key is None else re.sub(r"(?<![\w.])model(?=\.)", f"{group}.{key[1]}", message)


def place_of(group: str, node: Mapping[str, Any]) -> str:
    """Return the key and the class of a node, with which messages about a part begin."""
    return f"{group}._target_={node['_target_']}"


def _check_keys(group: str, node: Mapping[str, Any], made: Any, wired: dict[str, Any]) -> dict[str, Any]:
    """Check the keys of ``node`` for the class ``made``, and return those arguments of ``wired`` that it takes.

    Keys may be wrong because an experiment's settings are also merged into a part that replaces its own choice.
    """
    bases = [base.__module__.partition(".")[0] for base in (inspect.getmro(made) if inspect.isclass(made) else ())]
    require(
        group != "env" or "gymnasium" not in bases,
        f"env._target_={node['_target_']} is a single Gymnasium environment; use it with env=gymnasium "
        f"env.id={':'.join(node['_target_'].rsplit('.', 1))} instead.",
    )
    plainest = inspect.isclass(made) and made.__init__ is RewardSource.__init__  # a contract's, without arguments
    known = [] if plainest else list(inspect.signature(made).parameters.values())
    if any(one.kind is one.VAR_KEYWORD for one in known):
        return wired
    names = {one.name for one in known}
    unknown = [key for key in node if key not in names and not key.startswith("_")]
    if unknown:
        key = f"{group}.{unknown[0]}"
        raise ConfigError(
            f"{key}={node[unknown[0]]} is not a setting of {made.__name__}, but perhaps of another choice; remove "
            f"it with ~{key}, or in the experiment that sets it."
        )
    given = {*node, *wired}
    needed = [one.name for one in known if one.default is one.empty and one.kind is not one.VAR_POSITIONAL]
    missing = [name for name in needed if name not in given]
    require(
        not missing,
        f"{group}._target_={node['_target_']} needs {group}.{', '.join(missing)}, which its YAML does not have; add "
        "a value, or a default in the class.",
    )
    return {name: value for name, value in wired.items() if name in names}
