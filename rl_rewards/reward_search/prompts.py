"""What a language model is asked: the task, what a reward may read, the language, and how earlier rewards fared."""

from collections.abc import Sequence

from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.commented import read_comments
from rl_rewards.core.types import Box, Discrete, EnvSpec
from rl_rewards.labelers.judge.prompts import Messages
from rl_rewards.reward_search.fitness import Trained, told_over_training
from rl_rewards.rewards.written.values import entry_names

WITHHELD = ("success", "scene", "cell")
"""Entries of info that no candidate may read: the search is for a reward that needs no measure of the task."""
MOST_NAMES = 60
"""The most entries of an observation whose names are listed."""
FORM = (
    "Answer with the whole reward in one code block, of lines NAME = EXPRESSION with two to six terms, whose sum is "
    "the reward of a step. Before the block you may think in a few sentences."
)


def language() -> str:
    """Return the grammar of written rewards, from the comments of configs/reward/written.yaml."""
    keys = {one.key: one for one in read_comments(CONFIGS / "reward" / "written.yaml").keys}
    lines = keys["expression",].remarks
    first = lines.index("The language:")
    last = next(i for i, line in enumerate(lines) if line.startswith("Logged:"))
    return "\n".join(lines[first + 1 : last])


def first_question(task: str, spec: EnvSpec) -> Messages:
    """Return the messages that ask for a reward of ``task`` in environments of ``spec``."""
    system = (
        "You design the reward of an agent that learns by reinforcement. The reward is not Python: it is written in a "
        f"small language.\n{language()}\n{FORM}"
    )
    user = f"The task: {task}\nAn episode has at most {spec.max_episode_steps} steps"
    user += ", and can end early, after which nothing is paid.\n" if spec.ends_early else ".\n"
    return [{"role": "system", "content": system}, {"role": "user", "content": user + features(spec)}]


def features(spec: EnvSpec) -> str:
    """Return what a reward may read in environments of ``spec``, a line for each."""
    lines = [f"obs (before the step) and next_obs (after it): {_shaped(spec.obs.shape)}{_bounds(spec.obs)}"]
    names = {place: name for name, place in entry_names(spec).items()}
    for place, told in list(enumerate(spec.obs_names))[:MOST_NAMES]:
        lines.append(f"  [{place}]{f' or [{names[place]}]' if place in names else ''}: {told}")
    if isinstance(spec.action, Discrete):
        lines.append(f"action: {spec.action.n} numbers, 1 for the chosen action and 0 for the others")
    else:
        lines.append(f"action: {_shaped(spec.action.shape)}{_bounds(spec.action)}")
    lines += [f"info.{key}: {_shaped(shape)}" for key, shape in spec.info.items() if key not in WITHHELD]
    return "A reward may read:\n" + "\n".join(lines)


def next_question(first: Messages, best: Trained, failed: Sequence[str], measure: str) -> Messages:
    """Return the messages that ask for a better reward than ``best``, which is shown with its training.

    Args:
        failed: what was wrong with replies of the last iteration.
        measure: what the fitness is, in words.
    """
    told = [
        f"A policy was trained with this reward. Below are {measure}, and the means over an episode's steps of each "
        "term, at evaluations from the first to the last:",
        *told_over_training(best),
    ]
    if best.alarm is not None:
        told.append(f"The policy exploits the reward: {best.alarm}")
    told += [f"A check of the reward says: {one}" for one in best.warnings]
    told += [f"Another reply was refused: {one}" for one in dict.fromkeys(failed)]
    told.append(
        f"Write a better reward: {measure} counts, and not the reward. A term that hardly changes does not guide, and "
        "should be scaled, written anew or left out. A term that is far larger than the others hides them. If the "
        f"reward rose and {measure} did not, the reward pays for something else. {FORM}"
    )
    reply = f"```\n{best.text}```"
    return [*first, {"role": "assistant", "content": reply}, {"role": "user", "content": "\n".join(told)}]


def mend_question(asked: Messages, reply: str, why: str) -> Messages:
    """Return the question again, after a reply that is no valid reward, with the reason."""
    said = reply.strip() or "(empty)"
    told = f"That is not a valid reward: {why} {FORM}"
    return [*asked, {"role": "assistant", "content": said}, {"role": "user", "content": told}]


def _shaped(shape: tuple[int, ...]) -> str:
    if not shape:
        return "one number"
    if len(shape) == 1:
        return f"an array of {shape[0]} numbers" if shape[0] > 1 else "an array of one number"
    return f"an array of shape {list(shape)}"


def _bounds(box: Box) -> str:
    """Return the bounds of all entries in words, if they are the same and finite."""
    if box.low is None or box.high is None or len({*box.low}) > 1 or len({*box.high}) > 1 or not box.low:
        return ""
    low, high = box.low[0], box.high[0]
    return f", from {low:g} to {high:g}" if max(abs(low), abs(high)) < 1e30 else ""
