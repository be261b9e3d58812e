"""The settings of a judge with their checks, and the connection and the limits that follow from them."""

import os
from dataclasses import dataclass
from typing import Any, Literal

from rl_rewards.core.checks import check_fields, require
from rl_rewards.labelers.judge.asker import Limits
from rl_rewards.labelers.judge.client import Connection
from rl_rewards.labelers.judge.judgement import OnFlip

EMBEDDED = "embedded"
"""The ``base_url`` of a model, or of a stand-in for one, in this process."""
OURS = ("messages", "model", "stream", "n", "logprobs", "top_logprobs", "grammar")
"""Parameters of a request that users cannot set."""


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """Keys and units: configs/labeler/ai_judge.yaml."""

    base_url: str
    model: str
    key_variable: str | None
    mode: Literal["pairwise", "pointwise", "progress"]
    on_flip: OnFlip
    show: Literal["words", "frames"]
    frames: int
    task: str | None
    principles: tuple[str, ...]
    logprobs: bool
    grammar: bool
    parameters: dict[str, Any]
    wait: bool
    parallel: int
    timeout_seconds: float
    tries: int
    backoff_seconds: float
    backoff_most_seconds: float
    cap_calls: int
    cap_tokens: int
    samples: int = 1

    def __post_init__(self) -> None:
        check_fields(self, "labeler")
        for name in ("frames", "parallel", "tries", "cap_calls", "cap_tokens", "samples"):
            require(getattr(self, name) > 0, f"labeler.{name}={getattr(self, name)} must be at least 1.")
        for name in ("timeout_seconds", "backoff_seconds", "backoff_most_seconds"):
            require(getattr(self, name) > 0, f"labeler.{name}={getattr(self, name)} must be positive.")
        web = self.base_url.startswith(("http://", "https://"))
        require(
            web or self.base_url == EMBEDDED,
            f"labeler.base_url={self.base_url} must be the address of an endpoint, http(s)://HOST/v1, or {EMBEDDED}.",
        )
        require("@" not in self.base_url, "labeler.base_url has a password, which would be saved; use key_variable.")
        require(bool(self.model.strip()), "labeler.model must name the model to ask.")
        require(
            bool(self.task and self.task.strip()),
            "labeler.task is empty, but a judge must know the task; describe in one sentence what the agent should do.",
        )
        require(
            self.mode != "progress" or self.logprobs or self.samples > 1,
            "labeler.mode=progress reads how probable an answer is; choose labeler.logprobs=true, or several "
            "labeler.samples.",
        )
        plain = isinstance(self.parameters, dict)
        require(plain, f"labeler.parameters={self.parameters} must map the endpoint's parameters to values.")
        require(
            self.samples == 1 or self.parameters.get("temperature") != 0,
            f"labeler.samples={self.samples} would be the same reply each time; choose labeler.parameters.temperature "
            "above 0, such as 0.7, or labeler.samples=1.",
        )
        require(
            self.samples == 1 or "seed" not in self.parameters,
            f"labeler.samples={self.samples} gives each sample a random seed of its own; remove "
            "labeler.parameters.seed.",
        )
        taken = [name for name in OURS if name in self.parameters]
        require(not taken, f"labeler.parameters has {', '.join(taken)}, which the judge sets itself; remove it.")

    def connection(self) -> Connection:
        """Return the connection with the key; this starts the embedded model if it is chosen.

        Raises:
            ConfigError: when the key is not in the environment, or the embedded model cannot be started.
        """
        base_url, key = self.base_url, None
        if base_url == EMBEDDED:
            base_url, key = _embedded(self.model)
        elif self.key_variable is not None:
            key = os.environ.get(self.key_variable)
            require(
                bool(key),
                f"labeler.key_variable={self.key_variable} is not set in the environment; put the endpoint's key "
                "there, or choose labeler.key_variable=null for an endpoint that needs none.",
            )
        return Connection(base_url, self.model, key, self.timeout_seconds, self.logprobs, self.grammar, self.parameters)

    def limits(self) -> Limits:
        return Limits(self.tries, self.backoff_seconds, self.backoff_most_seconds, self.cap_calls, self.cap_tokens)


def _embedded(model: str) -> tuple[str, str]:
    """Start ``model`` in this process; return its address and its key."""
    from rl_rewards.labelers.judge import local
    from rl_rewards.labelers.judge.stand_in import server

    if model == server.MODEL:
        return server.start()
    started = local.start(model)
    return started.base_url, started.key
