"""``jax.jit`` that traces and compiles a function once for all tests that make the same one.

Tests make the same small algorithm, reward or whole run again and again, and each of them would trace, lower and
compile it anew: most of the tests' time. Two functions are the same when they are of the same code and what they hold
(closure, defaults, ``self``, the arguments of a partial) is equal: settings by value, arrays by their bytes, anything
else by identity. A test that replaces a part of the code, by ``monkeypatch``, shares nothing; see conftest.
"""

import dataclasses
import enum
import functools
import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flax.linen as nn
import jax
import numpy as np

KEPT = 40
LARGEST_ARRAY = 1_000_000  # bytes; a function that holds a larger one is not shared, so that it is not kept either
BY_VALUE = (bool, int, float, complex, str, bytes, type(None), np.dtype, np.generic, enum.Enum, slice)
plain_jit = jax.jit
_enabled = True
_shared: OrderedDict[Any, tuple[Any, list]] = OrderedDict()
_lock = threading.Lock()


@contextmanager
def sharing(enabled: bool) -> Iterator[None]:
    """Share programs, or do not, in a with block."""
    global _enabled
    before, _enabled = _enabled, enabled
    try:
        yield
    finally:
        _enabled = before


def shared_jit(fun: Callable | None = None, **options: Any) -> Any:
    """``jax.jit(fun, **options)``, the same one as before for the same function and options."""
    if fun is None:
        return functools.partial(shared_jit, **options)
    held: list = []  # what is compared by identity stays alive, so that no other object gets its id
    try:
        if not _enabled:
            return plain_jit(fun, **options)
        # Keys of random numbers are watched at a program's first call only.
        key = (jax.config.jax_debug_key_reuse, _key(fun, held, ()), _key(tuple(sorted(options.items())), held, ()))
    except _TooLarge:
        return plain_jit(fun, **options)
    with _lock:
        if key in _shared:
            _shared.move_to_end(key)
        else:
            _shared[key] = (plain_jit(fun, **options), held)
            if len(_shared) > KEPT:
                _shared.popitem(last=False)
        return _shared[key][0]


class _TooLarge(Exception):
    pass


class _Settings:
    """A list or a mapping that nobody changes, since an object of settings holds it; others have their identity."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _key(thing: Any, held: list, inside: tuple[int, ...]) -> Any:
    """A hashable value that is equal for things that are the same.

    Args:
        held: takes what is compared by identity.
        inside: ids of the things that ``thing`` is a part of.
    """
    if isinstance(thing, BY_VALUE):
        return type(thing), repr(thing)  # 0.0 is not -0.0, and True not 1
    if id(thing) in inside:
        return _identity(thing, held)
    parts = _parts(thing, held)
    if parts is None:
        return _identity(thing, held)
    return type(thing), *(_key(part, held, (*inside, id(thing))) for part in parts)


def _parts(thing: Any, held: list) -> tuple | None:
    """What makes ``thing`` what it is, beside its type; None where that is its identity."""
    if isinstance(thing, _Settings):
        return _parts_of_settings(thing.value)
    if isinstance(thing, types.MethodType):
        return thing.__func__, thing.__self__
    if isinstance(thing, functools.partial):
        return thing.func, thing.args, _Settings(thing.keywords)
    if isinstance(thing, types.FunctionType):
        return _parts_of_function(thing, held)
    if isinstance(thing, tuple):
        return thing
    if isinstance(thing, (np.ndarray, jax.Array)):
        return _parts_of_array(thing)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return _parts_of_dataclass(thing)
    return None


def _parts_of_settings(value: Any) -> tuple:
    if isinstance(value, (dict, types.MappingProxyType)):
        return dict, *value.keys(), *map(_Settings, value.values())
    if isinstance(value, (list, tuple)):
        return type(value), *map(_Settings, value)
    return (value,)


def _parts_of_function(function: types.FunctionType, held: list) -> tuple | None:
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # a cell that is not filled yet
        return None
    code = _identity(function.__code__, held)
    return *code, *cells, _Settings(function.__defaults__), _Settings(function.__kwdefaults__)


def _parts_of_array(array: Any) -> tuple | None:
    if isinstance(array, jax.core.Tracer):
        return None
    if array.nbytes > LARGEST_ARRAY:
        raise _TooLarge
    if not isinstance(array.dtype, np.dtype):  # random keys
        array = jax.random.key_data(array)
    return array.shape, array.dtype, np.asarray(array).tobytes()


def _parts_of_dataclass(thing: Any) -> tuple | None:
    """Fields, and whatever else a frozen object was given, such as arrays that it has read from a file.

    Not its cached properties, which follow from the others and are there once they were used.
    """
    if isinstance(thing, nn.Module):  # frozen, but not by name; what it has beside its fields is its own bookkeeping
        return tuple(_Settings(getattr(thing, field.name, None)) for field in dataclasses.fields(thing))
    if not type(thing).__dataclass_params__.frozen or not hasattr(thing, "__dict__"):
        return None
    own = sorted(vars(thing).items())
    own = [one for one in own if not isinstance(getattr(type(thing), one[0], None), functools.cached_property)]
    return tuple(x for name, value in own for x in (name, _Settings(value)))


def _identity(thing: Any, held: list) -> tuple[str, int]:
    held.append(thing)
    return "is", id(thing)
