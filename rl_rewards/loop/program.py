"""A jitted function that can be compiled before its first call, also in another thread."""

from collections.abc import Callable
from typing import Any

import jax


class Program:
    """``jax.jit(function)``; after :meth:`compile`, calls use what was compiled then.

    JAX itself compiles at the first call. Two programs that are compiled in two threads take less time than one after
    the other, since the compiler runs outside of Python's lock.
    """

    def __init__(self, function: Callable) -> None:
        self._jitted = jax.jit(function)
        self._compiled: jax.stages.Compiled | None = None

    def compile(self, *arguments: Any) -> None:
        """Compile for arguments of these shapes and dtypes; they may be ``jax.ShapeDtypeStruct``."""
        self._compiled = self._jitted.lower(*arguments).compile()

    def shapes(self, *arguments: Any) -> Any:
        """Return the shapes and dtypes of what the function returns."""
        return jax.eval_shape(self._jitted, *arguments)

    def __call__(self, *arguments: Any) -> Any:
        return (self._compiled or self._jitted)(*arguments)
