"""A ``jax.jit`` that traces and compiles equal functions of different tests only once.

Many tests build the same small algorithm, reward or run. Tracing, lowering and compiling it in each of them would take
most of the tests' time. Two functions are equal if they have the same code and hold equal values (closure, defaults,
``self``, the arguments of a partial): settings are compared by value, arrays by their bytes, anything else by identity.
A test that replaces a part of the code with ``monkeypatch`` shares nothing; see conftest.
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

KEPT = 60
LARGEST_ARRAY = 1_000_000  # bytes; functions with larger arrays are not shared, so that these arrays can be freed
BY_VALUE = (bool, int, float, complex, str, bytes, type(None), np.dtype, np.generic, enum.Enum, slice)
plain_jit = jax.jit
_enabled = True
_shared: OrderedDict[Any, tuple[Any, list]] = OrderedDict()
_lock = threading.Lock()


@contextmanager
def sharing(enabled: bool) -> Iterator[None]:
    """Turn sharing on or off within a with block."""
    global _enabled
    before, _enabled = _enabled, enabled
    try:
        yield
    finally:
        _enabled = before


def shared_jit(fun: Callable | None = None, **options: Any) -> Any:
    """Return ``jax.jit(fun, **options)``; equal functions with equal options get the same object."""
    if fun is None:
        return functools.partial(shared_jit, **options)
    held: list = []  # keeps objects alive that are compared by identity, so that no other object gets their id
    try:
        if not _enabled:
            return plain_jit(fun, **options)
        # JAX checks the reuse of random keys only at a program's first call, where it also compiles the program.
        flags = jax.config.jax_debug_key_reuse, jax.config.read("jax_disable_most_optimizations")
        key = (flags, _key(fun, held, ()), _key(tuple(sorted(options.items())), held, ()))
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


def forget_shared_programs() -> None:
    """Drop every shared program, so that the memory of those that nobody else holds is free."""
    with _lock:
        _shared.clear()


class _TooLarge(Exception):
    pass


class _Settings:
    """A list or mapping inside an object of settings, where nobody changes it; others are compared by identity."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _key(thing: Any, held: list, inside: tuple[int, ...]) -> Any:
    """Return a hashable value that is equal for equal things.

    Args:
        thing: a function, or a value that it holds.
        held: a list to which objects are added that are compared by identity.
        inside: ids of the objects that contain ``thing``.
    """
    if isinstance(thing, BY_VALUE):
        return type(thing), repr(thing)  # distinguishes 0.0 from -0.0, and True from 1
    if id(thing) in inside:
        return _identity(thing, held)
    parts = _parts(thing, held)
    if parts is None:
        return _identity(thing, held)
    return type(thing), *(_key(part, held, (*inside, id(thing))) for part in parts)


def _parts(thing: Any, held: list) -> tuple | None:
    """Return the parts of ``thing`` that determine its equality, besides its type; None to compare by identity."""
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
    except ValueError:  # an empty cell
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
    """Return the fields of a frozen object and its other attributes, such as arrays that it has read from a file.

    Cached properties are left out: they follow from the others, and exist only after their first use.
    """
    if isinstance(thing, nn.Module):  # frozen, although not declared so; its other attributes are internal
        return tuple(_Settings(getattr(thing, field.name, None)) for field in dataclasses.fields(thing))
    if not type(thing).__dataclass_params__.frozen or not hasattr(thing, "__dict__"):
        return None
    own = sorted(vars(thing).items())
    own = [one for one in own if not isinstance(getattr(type(thing), one[0], None), functools.cached_property)]
    return tuple(x for name, value in own for x in (name, _Settings(value)))


def _identity(thing: Any, held: list) -> tuple[str, int]:
    held.append(thing)
    return "is", id(thing)
