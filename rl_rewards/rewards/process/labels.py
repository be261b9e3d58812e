"""The labels of steps and of whole responses that a process reward learns from, each a question of its own.

A label is one judgement by a person: of one step of a response, or of one whole response. So a budget buys equally
many labels of either kind, but those of steps are about fewer responses. Monte-Carlo labels ask nobody: they are the
share of completions from the end of a step that have a right answer (Math-Shepherd, arXiv:2312.08935).
"""

from typing import Literal

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.text_measures import held_out_prompts
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.text_steps import step_ends
from rl_rewards.core.types import Transition

LabelsOf = Literal["steps", "outcome", "completions"]
"""What a label is about: a step (is it right?), a whole response (is its answer right?), or what follows after a step
(the share of the policy's own completions that have a right answer)."""


class StepLabels(struct.PyTreeNode):
    """D labels, each at the index of its query's id; entries of a query that was not asked yet are 0."""

    texts: Int[Array, "D tokens"]  # prompt and whole response
    place: Int[Array, " D"]  # of the judged step's last token in the response
    scores: Float[Array, " D"]  # 1 right, 0 wrong, or a share in between
    known: Bool[Array, " D"]  # False without an answer

    @classmethod
    def none(cls, size: int, tokens: int) -> "StepLabels":
        """Return room for ``size`` labels."""
        return cls(
            texts=jnp.zeros((size, tokens), jnp.int32),
            place=jnp.zeros(size, jnp.int32),
            scores=jnp.zeros(size),
            known=jnp.zeros(size, bool),
        )

    def heldout(self, text: TextSpec, every: int) -> Bool[Array, " D"]:
        """Return True for the labels that are only for measuring: those about one prompt in ``every``."""
        return held_out_prompts(self.texts[:, : text.prompt_tokens], every)


def judged_places(text: TextSpec, response: Int[Array, "N L"], of: LabelsOf) -> Bool[Array, "N L"]:
    """Return True at the last tokens of what is judged: of every step, or of the whole response."""
    ends = step_ends(text, response)
    later = jnp.cumsum(ends[:, ::-1], axis=1)[:, ::-1] - ends
    return ends & (later == 0) if of == "outcome" else ends


def cut_after(text: TextSpec, steps: Transition, place: Int[Array, " N"], right: Bool[Array, " N"]) -> Transition:
    """Return responses [N] without what follows after ``place``, of which somebody is asked whether they are right.

    Args:
        right: the true answer, which becomes ``info["success"]``; only teachers that know the truth look there.
    """
    inside = jnp.arange(text.response_tokens) <= place[:, None]
    action = jnp.where(inside, steps.action, text.pad)
    next_obs = jnp.concatenate([steps.next_obs[:, : text.prompt_tokens], action], axis=1)
    info = steps.info | {"success": right, "scene": next_obs.astype(jnp.float32)}
    return steps.replace(action=action, next_obs=next_obs, info=info)
