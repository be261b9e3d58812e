"""A writer of conversations in which a response is criticised by a principle and revised, and of their prompts.

Conversations about harmful requests with a held-out verb or object are never written for learning, so that critiques
and revisions of these show whether a model has understood the principle.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rl_rewards.envs.text.assistant import world
from rl_rewards.envs.text.assistant.corpus import fitted, response_to
from rl_rewards.envs.text.assistant.critiques import (
    BEFORE_CRITIQUE,
    BEFORE_RESPONSE,
    BEFORE_REVISION,
    DISHONEST,
    FINE,
    HARMFUL,
    RUDE,
)
from rl_rewards.envs.text.assistant.prompts import SHARES as OFTEN
from rl_rewards.envs.text.assistant.prompts import Asks, Prompt, prompts
from rl_rewards.envs.text.assistant.sentences import STOP, Says, sentences

HARM_SHARE = 0.7
"""How often a conversation by the principle ``harmless`` is about a harmful request."""
SHARES = (0.45, 0.25, 0.3)
"""The shares of responses, of critiques and of revisions in the texts of a tutor."""


class Conversation(NamedTuple):
    """A prompt, a response, what a critic is asked, its critique, and a better response."""

    prompt: str
    response: str
    request: str
    critique: str  # with its full stop
    revision: str  # the response itself if it has no fault

    def asked(self, revise: bool) -> str:
        """Return what a language model is asked that should write the critique or, with ``revise``, the revision."""
        said = f"{self.prompt} {BEFORE_RESPONSE} {self.response} {BEFORE_CRITIQUE} {self.request}"
        return f"{said} {self.critique} {BEFORE_REVISION}" if revise else said


class Tutor:
    """Writes conversations about the prompts of one split.

    Args:
        requests: principle -> what a critic is asked.
        allowed: True for the prompts that may be used.
        length: L, the most tokens of a response with its end.
    """

    def __init__(
        self, requests: dict[str, str], held_out: bool, allowed: Callable[[Prompt], bool], length: int
    ) -> None:
        self._requests, self._length = requests, length
        asked = [(text, one) for text, one in prompts().items() if one.held_out == held_out and allowed(one)]
        self._asked = {kind: [pair for pair in asked if pair[1].kind == kind] for kind in OFTEN}

    def conversation(self, rng: np.random.Generator, faulty: bool | None = None) -> Conversation:
        """Return a conversation by a random principle.

        Args:
            faulty: that the response has the fault, or has not; None: either.
        """
        principle = list(self._requests)[rng.integers(len(self._requests))]
        while True:
            harm = principle == "harmless" and rng.random() < HARM_SHARE
            kind = Asks.HARM if harm else rng.choice(list(OFTEN), p=list(OFTEN.values()))
            text, asked = self._asked[kind][rng.integers(len(self._asked[kind]))]
            response = response_to(rng, asked, "mixed", self._length)
            found = fault(asked, response, principle)
            if faulty is None or (found is not None) == faulty:
                break
        critique = f"{found or FINE} {STOP}"
        revision = response if found is None else revised(rng, asked, response, principle, self._length)
        return Conversation(text, response, self._requests[principle], critique, revision)


def fault(asked: Prompt, response: str, principle: str) -> str | None:
    """Return the critique of a response by a principle, without its full stop; None if it has no such fault."""
    said = [sentences()[text] for text in split(response)]
    kinds = {one.kind for one in said}
    if principle == "harmless" and asked.kind == Asks.HARM and Says.COMPLIES in kinds:
        return HARMFUL.format(verb=world.VERBS[asked.verb], object=world.OBJECTS[asked.object])
    if principle == "polite" and Says.RUDE in kinds:
        return RUDE
    if principle == "honest" and any(_is_false(asked, one) for one in said):
        return DISHONEST
    return None


def _is_false(asked: Prompt, said) -> bool:
    if said.kind == Says.TOTAL:
        return asked.kind == Asks.SUM and said.z != asked.a + asked.b + asked.c
    return said.kind in (Says.FACT, Says.STEP) and said.right == 0


def revised(rng: np.random.Generator, asked: Prompt, response: str, principle: str, length: int) -> str:
    """Return a response without its fault by a principle; the sentences that are not at fault stay."""
    said = split(response)
    if principle == "polite":
        kept = [text for text in said if sentences()[text].kind != Says.RUDE]
        return fitted(rng, kept or [world.OPENERS[rng.integers(len(world.OPENERS))]], [], length)
    if principle == "harmless":
        refusal = world.REFUSALS[rng.integers(len(world.REFUSALS))]
        advice = world.REDIRECTIONS[rng.integers(len(world.REDIRECTIONS))].format(owner=world.OWNERS[asked.owner])
        return _in_their_place(rng, said, [refusal, advice], lambda one: one.kind == Says.COMPLIES, length)
    if asked.kind == Asks.SUM:
        half, whole = asked.a + asked.b, asked.a + asked.b + asked.c
        steps = [world.STEP.format(x=asked.a, y=asked.b, z=half), world.STEP.format(x=half, y=asked.c, z=whole)]
        of_sum = (Says.STEP, Says.TOTAL)
        better = [*steps, world.TOTAL.format(z=whole)]
        return _in_their_place(rng, said, better, lambda one: one.kind in of_sum, length)
    return " ".join(f"{_true(text)} {STOP}" for text in said)


def _in_their_place(rng: np.random.Generator, said: list[str], better: list[str], is_fault, length: int) -> str:
    """Return ``said`` with all its faults replaced by the sentences ``better``, where the first one stood."""
    at_fault = [is_fault(sentences()[text]) for text in said]
    first = at_fault.index(True)
    before = said[:first]
    after = [text for text, wrong in zip(said[first:], at_fault[first:], strict=True) if not wrong]
    return fitted(rng, [*before, *better, *after], better, length)


def _true(text: str) -> str:
    """Return a fact as it is in truth; other sentences as they are."""
    one = sentences()[text]
    if one.kind != Says.FACT or one.right == 1:
        return text
    kind, thing = world.ATTRIBUTES[one.attribute], world.THINGS[one.thing]
    return kind.sentence.format(thing=thing, value=kind.values[kind.things.index(thing)])


def split(response: str) -> list[str]:
    """Return the sentences of a response, without their full stops."""
    return [part.strip() for part in response.split(STOP) if part.strip()]
