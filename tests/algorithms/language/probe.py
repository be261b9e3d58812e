"""A text environment whose reward is known: a token of the response is worth 1 if it is the prompt's."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Box, EnvSpec, StepOut
from rl_rewards.envs.base import JaxEnv
from tests.probes import make

PAD, END = 0, 1
VOCABULARY, PROMPT, RESPONSE = 6, 2, 3
TEXT = TextSpec(vocabulary=VOCABULARY, prompt_tokens=PROMPT, response_tokens=RESPONSE, tokenizer="probe")


def tokens(n: int) -> Box:
    return Box(shape=(n,), low=(0.0,) * n, high=(VOCABULARY - 1.0,) * n, dtype="int32")


def text_spec(response_tokens: int = RESPONSE) -> EnvSpec:
    return EnvSpec(
        name="echo",
        obs=tokens(PROMPT + response_tokens),
        action=tokens(response_tokens),
        max_episode_steps=1,
        info={},
        ends_early=False,
        restores=True,
        has_success=False,
        text=TextSpec(vocabulary=VOCABULARY, prompt_tokens=PROMPT, response_tokens=response_tokens, tokenizer="probe"),
    )


@dataclass(frozen=True)
class Echo(JaxEnv):
    """The prompt is one of the tokens 2 and 3, and each token of the response that repeats it is worth 1."""

    response_tokens: int = RESPONSE

    @property
    def spec(self) -> EnvSpec:
        return text_spec(self.response_tokens)

    def reset(self, key):
        return jax.random.randint(key, (), 2, 4)

    def observe(self, state):
        return jnp.zeros(PROMPT + self.response_tokens, jnp.int32).at[PROMPT - 1].set(state)

    def step(self, key, state, action):
        before = self.observe(state)
        ended = jnp.cumsum(action == END) > 0
        reward = jnp.sum((action == state) & ~ended).astype(jnp.float32)
        done = jnp.array(True)
        after = before.at[PROMPT:].set(action)
        return state, StepOut(after, reward, done, jnp.array(False), done, {})


SMALL = {
    "vocabulary": VOCABULARY + 2, "width": 16, "layers": 1, "heads": 2, "kv_heads": 2, "hidden": 32,
    "lora_rank": 0, "pad": PAD
}  # fmt: skip


def learner(name: str, spec: EnvSpec | None = None, **changes):
    """Return the algorithm ``name`` with a small model."""
    model = SMALL | changes.pop("model", {})
    return make("algorithm", name, text_spec() if spec is None else spec, model=model, **changes)
