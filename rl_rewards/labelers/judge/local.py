"""A small language model in this process: llama.cpp's server, on a free port that only this machine can reach."""

import functools
import secrets
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.models.transformer.pretrained import PACKAGED, pretrained_path

MODEL = PACKAGED
"""The model that is embedded if no file is named."""
CONTEXT_TOKENS = 2048
INSTALL = "install both with: make judge-local"


class Embedded(NamedTuple):
    """A server that runs until the process ends."""

    base_url: str
    key: str  # random, so that web pages open on this machine cannot use the server
    server: Any


@functools.cache
def start(model: str) -> Embedded:
    """Start a server for ``model``, which is ``MODEL`` or the path of a GGUF file; one server per process and model.

    It computes with one thread, because spinning threads that share a core with the training are many times slower.

    Raises:
        ConfigError: when a package is not installed, or the model does not exist.
    """
    path = _gguf(model)
    try:
        xllamacpp = import_module("xllamacpp")
    except ImportError as error:
        raise ConfigError(f"labeler.base_url=embedded needs xllamacpp, which is not installed; {INSTALL}.") from error
    key = secrets.token_urlsafe(24)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = CONTEXT_TOKENS
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.verbosity = -1
    params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    return Embedded(f"{server.listening_address}/v1", key, server)


def _gguf(model: str) -> Path:
    if model.endswith(".gguf"):
        require(Path(model).is_file(), f"labeler.model={model} does not exist; name a GGUF file, or {MODEL}.")
        return Path(model)
    require(model == MODEL, f"labeler.model={model} cannot be embedded; name a GGUF file, or {MODEL}.")
    return pretrained_path(MODEL)
