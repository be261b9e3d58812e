"""The lecture's five questions and its two tables of methods, and what to type for each method.

Everything that ``python -m rl_rewards.advise`` says is here, but for the outcomes of studies: those are read from the
stored verdicts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from omegaconf import OmegaConf

from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.reporting.stored_claims import count_outcomes

RESULTS = CONFIGS.parent / "scripts" / "results"
"""The published results; an installed package has none."""
RUN = "python -m rl_rewards.run"
ASKED = "env=point reward.segment_steps=20"


@dataclass(frozen=True)
class Method:
    """A way to say what is wanted.

    Args:
        name: in words.
        people: what people give.
        amount: how much of it, as the lecture or our defaults say; ``{budget}`` stands for ``reward.budget``.
        steps: the commands, in their order.
        failure: the failure to watch for.
        study: the stored result that measured it.
        rows: the method's names in the lecture's two tables.
        budget_of: the reward whose ``reward.budget`` is meant; empty for others.
    """

    name: str
    people: str
    amount: str
    steps: tuple[str, ...]
    failure: str
    study: str
    rows: tuple[str, ...]
    budget_of: str = ""


METHODS = {
    "hand_designed": Method(
        "a hand-designed reward",
        "an engineer writes r(s, a)",
        "no labels; the lecture counts two weeks of tuning",
        (f'{RUN} env=point reward=hand_designed "+reward.terms.near={{weight: -1.0, of: next_obs, map: norm}}"',),
        "reward hacking: what was written down is not what was meant",
        "walker_hack",
        ("Hand-designed reward", "Hand-designed"),
    ),
    "goal_classifier": Method(
        "a goal classifier that is trained once",
        "examples of success and of failure",
        "50 to 200 examples, by the lecture",
        (f"{RUN} env=pencil_case reward=goal_classifier",),
        "the policy finds states that the classifier does not know, and is paid for them",
        "fixed_classifier",
        ("Goal classifier",),
    ),
    "adversarial_classifier": Method(
        "a goal classifier with adversarial updates",
        "examples of success; visited states become the negatives",
        "50 to 200 examples, by the lecture",
        (
            "python -m rl_rewards.data examples goals.npz env=pencil_case",
            f"{RUN} env=pencil_case reward=adversarial_classifier examples.path=goals.npz",
        ),
        "unstable training, or a reward that falls where the task is solved",
        "main_job",
        ("Goal examples", "Adversarial classifier"),
    ),
    "demonstrations": Method(
        "imitation of demonstrations",
        "an expert's episodes",
        "about 50 demonstrations for a robot, by the lecture; the study has one, four, seven and ten",
        (
            "python scripts/make_demos.py cartpole cartpole.npz",
            f"{RUN} reward=gail env=gymnax env.id=CartPole-v1 algorithm=ppo_control demos=cartpole.npz",
        ),
        "no better than the expert, and cloning drifts away from what the expert has seen",
        "gail_benchmark_cartpole",
        ("Imitation learning",),
    ),
    "preferences": Method(
        "preferences",
        "comparisons of two clips",
        "{budget} comparisons by default (reward.budget); the lecture says 1,000 to 100,000",
        (f"{RUN} reward=preferences {ASKED} labeler=human",),
        "over-optimisation: the policy goes where the reward model is wrong",
        "preference_loop_point",
        ("Human preferences", "Human preferences"),
        "preferences",
    ),
    "rlhf": Method(
        "RLHF of a language model: fine-tuning, a reward model from comparisons, and RL with a KL penalty",
        "good responses, and comparisons of responses",
        "{budget} comparisons by default (reward.budget); the lecture says 100,000 and more",
        ("python -m rl_rewards.data make assistant/mixed", f"{RUN} experiment=lecture/language/rlhf"),
        "reward hacking without a KL penalty, and no learning with too much of it",
        "rlhf",
        ("RLHF (LLMs)",),
        "text_preferences",
    ),
    "ai_feedback": Method(
        "AI feedback, checked on a small set of people's answers",
        "a task or principles in words; a model compares",
        "{budget} answers of the judge by default (reward.budget), and some of people to check it",
        (
            f"OPENAI_API_KEY=... {RUN} reward=ai_feedback {ASKED}",
            "python -m rl_rewards.calibrate RUN_DIR labeler=ai_judge",
        ),
        "the judge's bias becomes the reward's",
        "ai_feedback",
        ("Language instructions", "AI feedback", "RLAIF"),
        "preferences",  # whose defaults it has
    ),
    "self_play": Method(
        "self-play before the task",
        "nothing",
        "no labels",
        (
            f"{RUN} reward=self_play env=key_door algorithm.rollout_length=128 hydra.run.dir=outputs/played",
            f"{RUN} reward=self_play env=key_door reward.target_fraction=1 algorithm.rollout_length=128 "
            "pretrain=outputs/played pretrain.part=bob",
        ),
        "degenerate equilibria: Alice wins without useful goals",
        "degenerate_equilibria",
        ("Self-play",),
    ),
    "curiosity": Method(
        "intrinsic motivation",
        "nothing",
        "no labels",
        (f"{RUN} reward=curiosity env=tv_grid",),
        "noise that nobody can predict, such as a television, holds the agent",
        "noisy_tv",
        (),
    ),
}


@dataclass(frozen=True)
class Question:
    """One question of the lecture's flowchart; yes ends it with these methods, no leads to the next one."""

    asks: str
    means: str
    methods: tuple[str, ...]


QUESTIONS = {
    "write": Question(
        "Can you write the reward r(s, a) directly?",
        "For example a game's score, or the distance to a goal.",
        ("hand_designed",),
    ),
    "photograph": Question(
        "Can you photograph success?",
        "You can show states in which the task is done, but cannot say in a formula what they share.",
        ("adversarial_classifier",),
    ),
    "compare": Question(
        "Can people compare outcomes?",
        "They can say which of two attempts, or of two texts, is better, and there is time to ask them.",
        ("preferences", "rlhf"),
    ),
    "expensive": Question(
        "Are people's answers too expensive?",
        "A model can look at the outcomes instead, and people check it on a small set.",
        ("ai_feedback",),
    ),
    "unsupervised": Question(
        "Is there no supervision at all?",
        "The agent learns skills without any answer first, and the task afterwards.",
        ("self_play", "curiosity"),
    ),
}


def in_words(name: str) -> str:
    """Return the advice of a method, with the outcomes that its study's stored verdicts have."""
    one = METHODS[name]
    lines = [
        f"Use {one.name} (--method {name}).",
        f"  people give  {one.people}",
        f"  how much     {one.amount.format(budget=f'{budget(one.budget_of):,}' if one.budget_of else '')}",
        *(f"  {'type' if i == 0 else 'then':11}  {step}" for i, step in enumerate(one.steps)),
        f"  watch for    {one.failure}",
        f"  measured in  {outcomes_of(one.study)}",
    ]
    return "\n".join(lines)


@cache
def budget(reward: str) -> int:
    """Return the default of ``reward.budget``, in answers."""
    return int(OmegaConf.load(CONFIGS / "reward" / f"{reward}.yaml").budget)


def outcomes_of(study: str) -> str:
    """Return the name of a study's stored result and how its claims came out."""
    path = RESULTS / f"{study}.json"
    if not path.is_file():
        return f"{study}, whose result is only in a checkout of the repository"
    record: Mapping = json.loads(path.read_text(encoding="utf-8"))
    superseded = "; superseded, to be measured again" if "superseded" in record else ""
    return f"scripts/results/{study}.json: {count_outcomes(record['verdicts'])}{superseded}"


def in_a_table() -> str:
    """Return all methods, a line each."""
    width = max(map(len, METHODS))
    return "\n".join(f"{name:{width}}  {one.people}: {one.name}" for name, one in METHODS.items())
