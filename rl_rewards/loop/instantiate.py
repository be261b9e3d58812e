"""Makes the objects that a configuration describes by ``_target_`` and the keys beside it."""

import inspect
import pkgutil
import re
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from rl_rewards.core.checks import require
from rl_rewards.core.contracts import blamed_on, check_members, is_own
from rl_rewards.core.errors import ConfigError
from rl_rewards.rewards.base import RewardSource


def instantiate_part(group: str, node: Mapping[str, Any], **wired: Any) -> Any:
    """The object that ``node`` describes; its constructor's refusals come out as they were raised.

    Args:
        group: the key of the configuration under which ``node`` stands; messages begin with it.
        node: plain values.
        wired: what the runner gives besides the keys; a person's own class is given what it takes of that.

    Raises:
        ConfigError: for keys that do not fit the class, and for a class that lacks what its contract asks for.
    """
    require("_target_" in node, f"{group} lacks _target_, the class that is to be made of its keys.")
    made = _class_of(group, node)
    wired = _check_keys(group, node, made, wired)
    own = is_own(made) | _check_inner(group, node)
    try:
        with blamed_on(place_of(group, node), "its constructor") if own else nullcontext():
            # Partial first: instantiate would take a spec among its arguments for more configuration.
            return instantiate({**node, "_partial_": True}, _convert_="all")(**wired)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ConfigError):
            cause = cause.__cause__
        if isinstance(cause, ConfigError):
            raise ConfigError(_named_in_full(str(cause), group, str(error))) from None
        raise error from None


def _class_of(group: str, node: Mapping[str, Any]) -> Any:
    """The class, or the function, that ``node`` names."""
    try:
        made = pkgutil.resolve_name(node["_target_"])
    except Exception as error:  # whatever goes wrong where the module is imported
        raise ConfigError(f"{place_of(group, node)} cannot be imported: {error}.") from None
    if inspect.isabstract(made):
        contract = next((one for one in made.__mro__ if not is_own(one)), made)
        check_members(made, contract, place_of(group, node))
    return made


def _check_inner(group: str, node: Mapping[str, Any]) -> bool:
    """Checks the keys of the parts within a part, such as its model, and returns whether one of them is a person's."""
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
    """``message`` of a model, which does not know where it stands, with the full key in the place of ``model.``.

    Args:
        said: what Hydra says of it, which ends in the key of what it was making, within ``group``.
    """
    key = re.search(r"full_key: ([\w.]+)\s*$", said)
    return message if key is None else re.sub(r"(?<![\w.])model(?=\.)", f"{group}.{key[1]}", message)


def place_of(group: str, node: Mapping[str, Any]) -> str:
    """The key and the class of a node, as messages about a part begin."""
    return f"{group}._target_={node['_target_']}"


def _check_keys(group: str, node: Mapping[str, Any], made: Any, wired: dict[str, Any]) -> dict[str, Any]:
    """What of ``wired`` is to be given to ``made``, whose keys are right.

    An experiment's settings are merged unasked into whatever algorithm, say, was chosen in the place of its own.
    """
    bases = [base.__module__.partition(".")[0] for base in (inspect.getmro(made) if inspect.isclass(made) else ())]
    require(
        group != "env" or "gymnasium" not in bases,
        f"env._target_={node['_target_']} is a Gymnasium environment, one copy that steps; give it as env=gymnasium "
        f"env.id={':'.join(node['_target_'].rsplit('.', 1))} instead.",
    )
    plainest = inspect.isclass(made) and made.__init__ is RewardSource.__init__  # every contract's: it takes nothing
    known = [] if plainest else list(inspect.signature(made).parameters.values())
    if any(one.kind is one.VAR_KEYWORD for one in known):
        return wired
    names = {one.name for one in known}
    unknown = [key for key in node if key not in names and not key.startswith("_")]
    if unknown:
        key = f"{group}.{unknown[0]}"
        raise ConfigError(
            f"{key}={node[unknown[0]]} is no setting of {made.__name__}; it was meant for another choice: leave it "
            f"out with ~{key}, or where an experiment sets it."
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
