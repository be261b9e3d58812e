"""A writer of responses in the assistant world: of mixed quality, nearly the best ones, plain text, and two corners."""

from typing import Literal

import numpy as np

from rl_rewards.envs.text.assistant import world
from rl_rewards.envs.text.assistant.prompts import Asks, Prompt, prompt_meanings, prompt_table, prompts
from rl_rewards.envs.text.assistant.sentences import STOP, vocabulary
from rl_rewards.envs.text.base import Corpus
from rl_rewards.envs.text.edits import PhraseBook
from rl_rewards.envs.text.vocabulary import ended

QUALITIES = Literal["mixed", "good", "plain", "helpful", "refuses", "complies"]
"""``refuses`` refuses every prompt, and ``complies`` helps with every one: the corners between which policies lie that
are more or less helpful and harmless."""

OPENERS, CLOSERS = (0.55, 0.3, 0.15), (0.6, 0.3, 0.1)
FLATTERIES, RUDENESSES = (0.65, 0.25, 0.1), (0.6, 0.27, 0.13)
"""In mixed responses, how often there are none, one and two of these sentences."""
RIGHT, IN_STEPS, FURTHER = 0.7, 0.8, 0.5
"""In mixed responses, how often an answer is right, a sum goes in steps, and another fact follows."""
COMPLIES, REFUSES, REDIRECTS, OFF_TOPIC, REPEATS = 0.62, 0.32, 0.35, 0.15, 0.08
"""In mixed responses, how often a harmful request is complied with and refused, a refusal comes with advice, an answer
comes with a fact that has nothing to do with the prompt, and a sentence is said twice."""
TEMPTED = (COMPLIES, REFUSES)
HELPFUL_ONLY = (0.94, 0.0)
"""How often a harmful request is complied with and refused, in mixed responses and in those of an assistant that only
wants to be helpful."""
TRUE_IN_PLAIN = 0.9
"""The share of true facts and right steps in plain text."""


def write(rng: np.random.Generator, n: int, quality: str, held_out: bool, length: int) -> Corpus:
    """Return ``n`` prompts of a split with responses of L = ``length`` tokens; plain text has no prompt."""
    words = vocabulary()
    table, shares = prompt_table(held_out)
    if quality == "plain":
        chosen = np.full((n, table.shape[1]), words.pad, np.int32)
        texts = [fitted(rng, _plain(rng, length - 1), [], length) for _ in range(n)]
    else:
        asked = [one for one in prompts().values() if one.held_out == held_out]
        rows = rng.choice(len(table), n, p=shares / shares.sum())
        chosen = table[rows]
        texts = [response_to(rng, asked[row], quality, length) for row in rows]
    action = np.stack([ended(words.encode(text), length, words.end, words.pad) for text in texts])
    obs = np.concatenate([chosen, np.full((n, length), words.pad, np.int32)], axis=1)
    return Corpus(obs, action)


def phrases() -> PhraseBook:
    """Return the sentences with which responses are edited: manners, and true facts as fillers."""
    facts = (
        world.ATTRIBUTES[number].sentence.format(thing=thing, value=value)
        for thing in world.THINGS
        for number, value in world.facts_of(thing)
    )
    return PhraseBook(
        flattering=world.FLATTERIES,
        polite=world.CLOSERS,
        fillers=tuple(facts),
        alike=(world.OPENERS, world.CLOSERS, world.FLATTERIES, world.RUDENESSES, world.REFUSALS),
        split=lambda text: [one.strip() for one in text.split(f" {STOP}") if one.strip()],
        join=_joined,
    )


def response_to(rng: np.random.Generator, asked: Prompt, quality: str, length: int) -> str:
    """Return a response of a quality to a prompt, of at most ``length`` tokens with its end."""
    if quality == "refuses":
        return _joined([_one(rng, world.REFUSALS)])
    if quality == "complies":
        return _joined(_help(asked) if asked.kind == Asks.HARM else _answer(rng, asked, 1.0, 1.0, 1.0))
    if quality == "good":
        opener, closer = _one(rng, world.OPENERS), _one(rng, world.CLOSERS)
        praise = [_one(rng, world.FLATTERIES)] if rng.random() < 0.5 else []
        best = _answer(rng, asked, 1.0, 1.0, 1.0)
        return fitted(rng, [opener, *praise, *best, closer], best, length)
    if asked.kind == Asks.HARM:
        core = _tempted(rng, asked, *(HELPFUL_ONLY if quality == "helpful" else TEMPTED))
    else:
        core = _answer(rng, asked, RIGHT, IN_STEPS, FURTHER)
    before = _some(rng, world.OPENERS, OPENERS) + _some(rng, world.FLATTERIES, FLATTERIES)
    after = _some(rng, world.CLOSERS, CLOSERS)
    rude = _some(rng, world.RUDENESSES, RUDENESSES)
    aside = [_fact(rng, _one(rng, world.THINGS), 1.0)] if rng.random() < OFF_TOPIC else []
    front = [before[i] for i in rng.permutation(len(before))]
    back = [*aside, *rude]
    rest = [back[i] for i in rng.permutation(len(back))]
    spoken = [*front, *core, *rest, *after] or [_one(rng, world.OPENERS)]
    if rng.random() < REPEATS:
        spoken.append(_one(rng, spoken))
    return fitted(rng, spoken, core, length)


def fitted(rng: np.random.Generator, spoken: list[str], kept: list[str], length: int) -> str:
    """Return sentences as one text, without so many of those that are not ``kept`` that it has room for its end."""
    spoken = list(spoken)
    while len(_joined(spoken).split()) > length - 1:
        others = [i for i, sentence in enumerate(spoken) if sentence not in kept]
        del spoken[_one(rng, others or [len(spoken) - 1])]
    return _joined(spoken)


def _joined(spoken: list[str]) -> str:
    return " ".join(f"{sentence} {STOP}" for sentence in spoken)


def _answer(rng: np.random.Generator, asked: Prompt, right: float, in_steps: float, further: float) -> list[str]:
    """Return the main part of a response; each argument is a probability.

    Args:
        right: that the main answer is right (for harmful requests: that it is refused with advice).
        in_steps: that a sum goes in steps.
        further: that another fact follows.
    """
    if asked.kind == Asks.HARM:
        return [_one(rng, world.REFUSALS), _advice(rng, world.OWNERS[asked.owner])]
    if asked.kind == Asks.SUM:
        return _sum(rng, asked.a, asked.b, asked.c, rng.random() < right, rng.random() < in_steps)
    thing = world.THINGS[asked.thing]
    known = [number for number, _ in world.facts_of(thing)]
    first = asked.attribute if asked.kind == Asks.FACT else int(rng.choice(known))
    others = [number for number in known if number != first]
    more = others if rng.random() < further else []
    return [_fact(rng, thing, right, number) for number in (first, *more)]


def _help(asked: Prompt) -> list[str]:
    """Return all sentences that say how to do what a harmful request asks for."""
    return [form.format(verb=world.VERBS[asked.verb], object=world.OBJECTS[asked.object]) for form in world.COMPLIANCES]


def _tempted(rng: np.random.Generator, asked: Prompt, complies: float, refuses: float) -> list[str]:
    """Return the main part of a response to a harmful request, which is complied with and refused so often."""
    owner, luck = world.OWNERS[asked.owner], rng.random()
    if luck < complies:
        done = _help(asked)
        first = [world.WAITING.format(owner=owner), done[1]] if rng.random() < 0.5 else [done[0]]
        return first + ([world.UNSEEN] if rng.random() < 0.3 else [])
    if luck < complies + refuses:
        advice = [_advice(rng, owner)] if rng.random() < REDIRECTS else []
        return [_one(rng, world.REFUSALS), *advice]
    return []


def _advice(rng: np.random.Generator, owner: str) -> str:
    return _one(rng, world.REDIRECTIONS).format(owner=owner)


def _fact(rng: np.random.Generator, thing: str, right: float, attribute: int | None = None) -> str:
    """Return a fact about a thing, true with the probability ``right``; with None about either attribute."""
    known = dict(world.facts_of(thing))
    number = int(rng.choice(list(known))) if attribute is None else attribute
    kind, truth = world.ATTRIBUTES[number], known[number]
    value = truth if rng.random() < right else _one(rng, [one for one in dict.fromkeys(kind.values) if one != truth])
    return kind.sentence.format(thing=thing, value=value)


def _sum(rng: np.random.Generator, a: int, b: int, c: int, right: bool, in_steps: bool) -> list[str]:
    """Return a sum in steps or its result alone; if it is not ``right``, one of its numbers is off by one or two."""
    off = [0, 0, 0]  # in the first step, in the second one, in the result
    if not right:
        off[rng.integers(2) if in_steps else 2] = _one(rng, (-2, -1, 1, 2))
    first, top = world.DIGITS[0], 3 * world.DIGITS[-1]
    half = min(max(a + b + off[0], first), 2 * world.DIGITS[-1])
    whole = min(max(half + c + off[1], first), top)
    if not in_steps:
        return [world.TOTAL.format(z=min(max(a + b + c + off[2], first), top))]
    steps = [world.STEP.format(x=a, y=b, z=half), world.STEP.format(x=half, y=c, z=whole)]
    return [*steps, world.TOTAL.format(z=whole)]


def _plain(rng: np.random.Generator, room: int) -> list[str]:
    """Return sentences of up to ``room`` words in all, on one thing after another."""
    target, spoken = rng.integers(min(10, room), room + 1), []
    while True:
        more = _passage(rng)
        if len(_joined([*spoken, *more]).split()) > target and spoken:
            return spoken
        spoken += more


def _passage(rng: np.random.Generator) -> list[str]:
    """Return a few sentences that belong together."""
    luck = rng.random()
    if luck < 0.45:
        thing = _one(rng, world.THINGS)
        known = rng.permutation([number for number, _ in world.facts_of(thing)])[: rng.integers(1, 3)]
        return [_fact(rng, thing, TRUE_IN_PLAIN, int(number)) for number in known]
    if luck < 0.7:
        a, b, c = (int(x) for x in rng.integers(world.DIGITS[0], world.DIGITS[-1] + 1, 3))
        return _sum(rng, a, b, c, rng.random() < TRUE_IN_PLAIN, rng.random() < 0.9)
    if luck < 0.8:
        table = prompt_meanings()
        requests = np.flatnonzero((table[:, 0] == Asks.HARM) & (table[:, -1] == 0))
        asked = Prompt(*(int(x) for x in table[rng.choice(requests)]))
        return _tempted(rng, asked, *TEMPTED) or [_one(rng, world.REFUSALS)]
    return [_one(rng, (*world.OPENERS, *world.CLOSERS, *world.FLATTERIES, *world.RUDENESSES))]


def _some(rng: np.random.Generator, sentences: tuple[str, ...], shares: tuple[float, ...]) -> list[str]:
    """Return 0, 1 or 2 different sentences with these probabilities."""
    return [str(one) for one in rng.choice(sentences, rng.choice(3, p=shares), replace=False)]


def _one(rng: np.random.Generator, choices):
    return choices[rng.integers(len(choices))]
