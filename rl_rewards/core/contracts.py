"""Checks that a user's own classes fulfil the contracts; each problem is reported in one sentence."""

import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Protocol

import jax

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

PACKAGE = __name__.split(".")[0]
LIBRARIES = ("site-packages", "dist-packages", "lib/python")
"""A file whose path contains one of these belongs to a library, not to the user."""


def is_own(part: Any) -> bool:
    """Return True for a class or function defined outside this package, and for an instance of such a class."""
    made = part if inspect.isclass(part) or inspect.isroutine(part) else type(part)
    return made.__module__.split(".")[0] not in (PACKAGE, "builtins", "abc", "typing")


def check_members(part: Any, contract: type, place: str, besides: tuple[type, ...] = ()) -> None:
    """Check that ``part``, an object or a class, has every member of ``contract`` and that its methods can be called.

    Args:
        place: the part's key and class, for the message: ``reward._target_=my_rewards.Near``.
        besides: contracts that ``contract`` extends and whose members are not required.

    Raises:
        ConfigError: if members are missing (the message lists all of them) or a method takes other arguments.
    """
    left_out = {name for one in besides for name in _members(one)}
    members = {name: member for name, member in _members(contract).items() if name not in left_out}
    missing = [name for name in members if _is_missing(part, name)]
    if inspect.isclass(part):  # the constructor may still set the attributes
        missing = [name for name in missing if inspect.isroutine(members[name]) or isinstance(members[name], property)]
    inherits = contract in (part if inspect.isclass(part) else type(part)).__mro__
    where, needed = f"{contract.__module__}.{contract.__qualname__}", _without_default(contract, members)
    if inherits or len(needed) == len(members):
        told = f"add it; {where} documents every member"
    else:
        told = f"inherit from {where}, which has defaults for all but {_listed(needed)}"
    require(not missing, f"{place} has no {_listed(missing)}: {told}.")
    for name, member in members.items():
        if inspect.isfunction(member):
            _check_arguments(getattr(part, name), member, place)


def _members(contract: type) -> dict[str, Any]:
    """Return the public members of ``contract`` and its bases by name; None for one that is only annotated."""
    found: dict[str, Any] = {}
    for one in contract.__mro__:
        if one in (object, Protocol, Generic):
            continue
        for name in [*vars(one), *vars(one).get("__annotations__", {})]:
            if not name.startswith("_"):
                found.setdefault(name, vars(one).get(name))
    return found


def _without_default(contract: type, members: dict[str, Any]) -> list[str]:
    return [name for name in members if _is_missing(contract, name)]


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _is_missing(part: Any, name: str) -> bool:
    member = inspect.getattr_static(part, name, None)
    if member is None:
        return not hasattr(part, name)  # set by a constructor, or None on purpose
    return getattr(member, "__isabstractmethod__", False)


def _check_arguments(method: Callable, of_contract: Callable, place: str) -> None:
    names = list(inspect.signature(of_contract).parameters)[1:]  # without self
    try:
        signature = inspect.signature(method)
        signature.bind(*names)
    except TypeError:
        given = ", ".join(inspect.signature(method).parameters)
        raise ConfigError(
            f"{place}: {of_contract.__name__} takes ({given}), but it is called with ({', '.join(names)})."
        ) from None
    except ValueError:  # a function written in C has no signature
        return


def check_array(found: Any, shape: tuple[int, ...], dtype: str, place: str, name: str) -> None:
    """Check that ``found`` is the ``ShapeDtypeStruct`` of an array of this shape and type.

    Args:
        place: the part's key and class, for the message.
        name: the name of the array, for the message.

    Raises:
        ConfigError: if the shape or the type differs, or if it is no array.
    """
    array = isinstance(found, jax.ShapeDtypeStruct)
    has = f"{found.dtype} {list(found.shape)}" if array else type(found).__name__
    right = array and tuple(found.shape) == shape and str(found.dtype) == dtype
    require(right, f"{place}: {name} must be {dtype} {list(shape)}, but it is {has}.")


@contextmanager
def attributed_to(place: str, method: str) -> Iterator[None]:
    """Convert any exception from a user's ``method`` into a ConfigError that names the file and line.

    Raises:
        ConfigError: with the type and the message of the exception; a ConfigError is passed on unchanged.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
        where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        text = str(error).strip().split("\n")[0].rstrip(".")
        raise ConfigError(f"{place}: {method} raised {type(error).__name__}{where}: {text}.") from error


def _is_theirs(filename: str) -> bool:
    path = Path(filename)
    package = Path(__file__).parents[1]
    return package not in path.parents and not any(folder in path.as_posix() for folder in LIBRARIES) and path.exists()
