"""The texts of a page of several runs: its headline, its notices, and a table with one line per arm."""

from collections.abc import Sequence
from dataclasses import dataclass

from rl_rewards.core.intervals import interquartile_interval, mean_interval
from rl_rewards.core.words import digits
from rl_rewards.reporting.arms import Arm, seeds_in_words
from rl_rewards.reporting.figures.comparison import last_values, true_key
from rl_rewards.reporting.find_runs import FoundRuns, StudyFiles
from rl_rewards.reporting.stored_claims import count_outcomes
from rl_rewards.reporting.verdict import Notice, learns_reward, wilson_interval

ACTIVE = "active"
LEARNED_KEY = "eval/learned_reward_final"
NOTES = (
    "Values are from the last evaluation that all seeds of an arm have, with 95% intervals in brackets. For several "
    "seeds the interval is Student's t over seeds. For one seed, marked *, it is a Wilson interval over evaluation "
    "episodes, which says nothing about other seeds."
)


@dataclass(frozen=True)
class Line:
    """The line of an arm in the table."""

    name: str
    anchor: str
    cells: list[str]
    alarm: bool


def headline(arms: Sequence[Arm], studies: Sequence[StudyFiles]) -> str:
    """Return the headline: the studies' verdicts if there are any, else the best and the worst arm; then the alarms."""
    words = _claims(studies) or _ranking(arms)
    standing = [arm.name for arm in arms if _standing(arm)]
    if standing:
        return f"{words}; EXPLOIT ALARM in {', '.join(standing[:3])}{' and others' if len(standing) > 3 else ''}."
    learned = any(learns_reward(run) for arm in arms for run in arm.runs)
    return f"{words}; no exploit alarm is active." if learned else f"{words}."


def comparison_notices(arms: Sequence[Arm], found: FoundRuns) -> list[Notice]:
    """Return notices of what a reader must know before comparing the arms."""
    notices = []
    for arm in arms:
        if seeds := _standing(arm):
            told = f" in {len(seeds)} of {arm.num_seeds} seeds ({seeds_in_words(seeds)})" if arm.num_seeds > 1 else ""
            notices.append(Notice("alarm", f"{arm.name}: the exploit alarm is active at the last evaluation{told}."))
    envs = list(dict.fromkeys(arm.choices[0] for arm in arms))
    if len(envs) > 1:
        text = f"The runs are on different environments ({', '.join(envs)}): do not compare their success or returns."
        notices.append(Notice("warning", text))
    for word, kind in (("unfinished", "warning"), ("FAILED", "failed")):
        folders = [run.path.name for run in found.runs if run.status == word]
        if folders:
            verb = "is" if len(folders) == 1 else "are"
            text = f"{len(folders)} of {len(found.runs)} runs {verb} {word.lower()}: {', '.join(folders)}."
            notices.append(Notice(kind, text))
    steps = sorted({run.env_steps for run in found.runs if run.steps_name == "env steps"})
    if len(steps) > 1:
        text = (
            f"The runs have between {steps[0]:,} and {steps[-1]:,} env steps; the table shows each arm's last "
            "evaluation."
        )
        notices.append(Notice("note", text))
    commits = {run.commit for run in found.runs}
    if len(commits) > 1:
        text = f"The runs were made with different versions of the code ({', '.join(sorted(commits))})."
        notices.append(Notice("note", text))
    notices += [
        Notice("warning", f"{study.path.name} has no verdict yet.") for study in found.studies if not study.verdict
    ]
    if found.left_out:
        count = len(found.left_out)
        are, they = ("s are", "they") if count > 1 else (" is", "it")
        text = f"{count} run{are} left out, because {they} cannot be read."
        notices.append(Notice("warning", text, found.left_out))
    return notices


MIDDLE = "interquartile mean"
AFTER_OUTCOME = ("learned reward, final states", "exploit alarm", "env steps", "status")


def table(arms: Sequence[Arm]) -> tuple[list[str], list[Line]]:
    """Return the names of the columns, and one line per arm."""
    keys = ["eval/success"] if any(last_values(arm, "eval/success") for arm in arms) else []
    keys += ["eval/true_return"] if true_key(arms) == "eval/true_return" else []
    names = ["true " + key.removeprefix("eval/").removeprefix("true_").replace("_", " ") for key in keys]
    columns = ["arm", "seeds", *[column for name in names for column in (name, MIDDLE)], *AFTER_OUTCOME]
    return columns, [_line(arm, i, keys) for i, arm in enumerate(arms)]


def _line(arm: Arm, index: int, keys: Sequence[str]) -> Line:
    outcome = [cell for key in keys for cell in (_mean(arm, key), _middle(arm, key))]
    cells = [
        seeds_in_words(arm.seeds),
        *outcome,
        _mean(arm, LEARNED_KEY),
        _alarms(arm),
        f"{arm.env_steps:,}" if arm.steps_name == "env steps" else "0",
        _counted([run.status for run in arm.runs]),
    ]
    return Line(arm.name, f"arm-{index + 1}", cells, ACTIVE in arm.alarms)


def _alarms(arm: Arm) -> str:
    if not any(learns_reward(run) for run in arm.runs):
        return "no learned reward"
    return _counted(arm.alarms)


def _counted(words: Sequence[str]) -> str:
    """Return ``DONE``, or counts such as ``DONE: 2, unfinished: 1`` if the words differ."""
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    return words[0] if len(counts) == 1 else ", ".join(f"{word}: {count}" for word, count in counts.items())


def _mean(arm: Arm, key: str) -> str:
    """Return the mean with its interval; the success of one seed gets a Wilson interval, marked with *."""
    found = last_values(arm, key)
    if not found:
        return "-"
    if len(found) > 1:
        return _with_interval(key, *mean_interval(found))
    evaluations = arm.runs[0].evaluations
    if key != "eval/success" or not evaluations:
        return digits(found[0])
    episodes = evaluations[-1].valid.shape[-1]
    return _with_interval(key, found[0], *wilson_interval(min(max(found[0], 0.0), 1.0), episodes)) + "*"


def _middle(arm: Arm, key: str) -> str:
    found = last_values(arm, key)
    return _with_interval(key, *interquartile_interval(found)) if len(found) > 1 else "-"


def _with_interval(key: str, *numbers: float) -> str:
    """Format middle, low and high; shares of episodes get two decimal places."""
    middle, low, high = (f"{x:.2f}" if key == "eval/success" else digits(x) for x in numbers)
    return f"{middle} [{low}, {high}]"


def _standing(arm: Arm) -> list[int]:
    """Return the seeds whose alarm is active at the last evaluation."""
    return [seed for seed, words in zip(arm.seeds, arm.alarms, strict=True) if words == ACTIVE]


def _claims(studies: Sequence[StudyFiles]) -> str:
    judged = [study for study in studies if study.verdict]
    verdicts = [one for study in judged for one in study.verdict["verdicts"]]
    if not verdicts:
        return ""
    indicative = "" if all(study.verdict.get("counts") for study in judged) else " (indicative: not at full size)"
    return f"{count_outcomes(verdicts)}{indicative}"


def _ranking(arms: Sequence[Arm]) -> str:
    """Return a sentence about the best and the worst arm of each environment."""
    key = true_key(arms)
    if key is None:
        return f"{len(arms)} arms without a true reward"
    name = "success" if key == "eval/success" else "return"
    envs = list(dict.fromkeys(arm.choices[0] for arm in arms))
    sentences = []
    for env in envs:
        found = [(mean_interval(values)[0], arm) for arm in arms if (values := last_values(arm, key))]
        found = sorted(((value, arm) for value, arm in found if arm.choices[0] == env), key=lambda pair: -pair[0])
        if found:
            where = f" on {env}" if len(envs) > 1 else ""
            words = f"rue {name}{where}: {_mean(found[0][1], key)} ({found[0][1].name})"
            if len(found) > 1:
                words = f"Highest t{words}, lowest: {_mean(found[-1][1], key)} ({found[-1][1].name})"
            else:
                words = f"T{words}"
            sentences.append(words)
    return "; ".join(sentences) or f"{len(arms)} arms, never evaluated"
