"""The lecture's five questions, and the advice for each answer: commands, costs, failures and studies."""

import json
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.reporting.stored_claims import count_outcomes

RESULTS = Path(__file__).parents[2] / "scripts" / "results"


@dataclass(frozen=True)
class Advice:
    """What to type for one method, what it costs, how it fails, and the stored result that measured it."""

    method: str
    command: str
    needs: str
    failure: str
    study: str


_POINT = "env=point reward.segment_steps=20"
ADVICE = {
    "hand_designed": Advice(
        "a hand-designed reward",
        'env=point reward=hand_designed "+reward.terms.near={weight: -1.0, of: next_obs, map: norm}"',
        "no labels",
        "reward hacking",
        "walker_hack",
    ),
    "fixed_classifier": Advice(
        "a goal classifier, trained once",
        "env=point reward=goal_classifier",
        "50 to 200 examples of success (the lecture's number)",
        "the policy fools the classifier in states it never saw",
        "fixed_classifier",
    ),
    "classifier": Advice(
        "a goal classifier with adversarial updates",
        "env=point reward=adversarial_classifier",
        "50 to 200 examples of success (the lecture's number)",
        "the reward of success falls, or training is unstable",
        "adversarial_classifier",
    ),
    "imitation": Advice(
        "imitation of demonstrations",
        "env=point reward=gail demos=FILE.npz",
        "about 50 demonstrations (the lecture's number)",
        "bounded by the expert; distribution shift",
        "gail_benchmark_halfcheetah",
    ),
    "preferences": Advice(
        "preferences",
        f"reward=preferences {_POINT} labeler=human",
        "700 comparisons by default (reward.budget)",
        "reward overoptimisation",
        "preference_loop_point",
    ),
    "rlhf": Advice(
        "RLHF of a language model",
        "env=text algorithm=rloo algorithm.num_envs=256 reward=text_preferences labeler=oracle pretrain=RUN_DIR",
        "1,000 comparisons by default (reward.budget), after fine-tuning",
        "reward hacking, or collapse onto few responses",
        "rlhf",
    ),
    "ai_feedback": Advice(
        "a judge model, calibrated on a small set of human answers",
        f"reward=ai_feedback {_POINT}",
        "700 answers of the judge by default (reward.budget), and a small set of human ones",
        "the judge's bias becomes the reward's",
        "ai_feedback",
    ),
    "self_play": Advice(
        "self-play", "reward=self_play env=hall", "no labels", "degenerate equilibria", "degenerate_equilibria"
    ),
    "curiosity": Advice(
        "intrinsic motivation",
        "reward=curiosity env=tv_grid",
        "no labels",
        "noise attracts the agent (the noisy television)",
        "noisy_tv",
    ),
}
QUESTIONS = {
    "write": ("Can you write r(s, a) directly?", "hand_designed"),
    "photograph": ("Can you photograph success?", "classifier"),
    "compare": ("Can humans compare outcomes?", "preferences"),
    "expensive": ("Is human annotation too expensive, but a judge model can compare?", "ai_feedback"),
    "unsupervised": ("Is there no supervision at all?", "self_play"),
}

TABLES = {
    "task specification": {
        "Hand-designed reward": "hand_designed",
        "Imitation learning": "imitation",
        "Goal examples": "classifier",
        "Human preferences": "preferences",
        "Language instructions": "ai_feedback",
        "AI feedback": "ai_feedback",
    },
    "summary": {
        "Hand-designed": "hand_designed",
        "Goal classifier": "fixed_classifier",
        "Adversarial classifier": "classifier",
        "Human preferences": "preferences",
        "RLHF (LLMs)": "rlhf",
        "RLAIF": "ai_feedback",
        "Self-play": "self_play",
    },
}
"""The rows of the lecture's two tables of methods; a judge follows instructions in words."""


def in_words(name: str) -> str:
    """Return the advice of a leaf or method, with the outcomes that its study's stored verdicts have."""
    one = ADVICE[name]
    path = RESULTS / f"{one.study}.json"
    outcome = "the file is not installed"
    if path.is_file():
        record = json.loads(path.read_text(encoding="utf-8"))
        outcome = count_outcomes(record["verdicts"])
        if "superseded" in record:
            outcome += f"; superseded: {record['superseded']}"
    return (
        f"Use {one.method}.\n  command   python -m rl_rewards.run {one.command}\n  needs     {one.needs}\n"
        f"  watch for {one.failure}\n  measured  {one.study} (scripts/results/{one.study}.json): {outcome}"
    )
