"""The pages of ``--help``: an overview of one screen, and more about a topic, a choice or a key. Light to import."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from rl_rewards.command_line.choices import CONFIGS, chapter_of, in_short, list_choices, list_groups, time_of
from rl_rewards.command_line.documented import (
    PARTS,
    Documented,
    abbreviated,
    keys_like,
    keys_of_choice,
    keys_of_runs,
)
from rl_rewards.command_line.layout import filled, hanging, table
from rl_rewards.command_line.ranges import parse
from rl_rewards.core.errors import ConfigError

LONGEST = 50  # characters of a default in --help keys
RUN = "python -m rl_rewards.run"
TOPICS = {
    "rewards": "reward",
    "envs": "env",
    "algorithms": "algorithm",
    "models": "model",
    "labelers": "labeler",
    "experiments": "experiment",
    "datasets": "dataset",
}
"""Topic -> config group."""
CHAPTERS = {
    "": "",
    "lecture/classifiers": "goal classifiers: fooled, updated, regularised",
    "lecture/demonstrations": "imitation and inverse RL",
    "lecture/preferences": "comparisons, ratings, rankings and judges",
    "lecture/games": "asymmetric self-play",
    "lecture/curiosity": "exploration without a task",
    "lecture/offline": "learning from recorded steps",
    "lecture/language": "language models: rewards from comparisons, RL and DPO",
    "classic": "PPO on the true reward, tuned for few env steps",
    "expert": "RL on the true reward; scripts/make_demos.py records it",
}
"""Folders of experiments in the order of ``--help experiments``; others come last, without a heading."""

_ABOUT = "A run combines an environment, a reward, often a learned one, and an algorithm."
_EXAMPLES = f"""\
Usage: {RUN} [GROUP=CHOICE ...] [KEY=VALUE ...]
  {RUN} experiment=quickstart   # a first run, about a minute
  {RUN} env=point algorithm=ppo_point reward=goal_classifier
  {RUN}                         # the main job, a few minutes"""
_MORE = """\
More help
  --help rewards           also envs, algorithms, models, labelers, experiments
  --help gail              a choice and all its keys; also --help reward=gail
  --help algorithm.clip    a key's meaning, range and default; --help keys: all
Other arguments; also --version and --hydra-help
  resume=RUN_DIR           continue an interrupted run
  --multirun reward=A,B    one run for each value, or combination of values
  --cfg job --resolve      print the composed configuration and stop
Other commands: python -m rl_rewards.NAME; each has --help
  runs: lists runs         report: writes pages     play: plays episodes
  label: a page to answer  calibrate: a labeler     audit: a learned reward
  data: checks, makes it   lint: a written reward   search_reward: writes one"""
_EXPERIMENTS = (
    "Choose one by experiment=NAME, with its chapter. Times are on two CPU cores. The lecture's experiments are "
    "studies: several runs, then a verdict on each claim. Their times are of size=small, the default; size=full, with "
    "the report seeds, takes many times as long. A study that needs demonstrations names the command that records "
    "them in its YAML, in configs/experiment."
)
_DATASETS = (
    "Made by python -m rl_rewards.data make NAME/QUALITY, where QUALITY is random, medium, medium_replay, expert or "
    "mixed. --help dataset=NAME shows its sizes, and the trainings that it takes."
)
_MODELS = (
    "A model is the network of an algorithm or a reward: model@algorithm.model=NAME, "
    "model@reward.classifier.model=NAME, model@reward.reward_model.model=NAME or model@reward.model=NAME."
)


def print_help(arguments: Sequence[str] = ()) -> None:
    """Print the overview, or what is known about each topic in ``arguments``; those that begin with ``-`` are ignored.

    Raises:
        ConfigError: for a topic that is not known.
    """
    topics = [argument for argument in arguments if not argument.startswith("-")]
    pages = [_page(topic) for topic in topics] or [_overview()]
    print("\n\n".join("\n".join(lines) for lines in pages))


def _overview() -> list[str]:
    lines = [*filled("", _ABOUT), "", *_EXAMPLES.splitlines(), "", "Groups"]
    shown = {group: ", ".join(in_short(group)) for group in ("reward", "env", "algorithm", "labeler", "experiment")}
    shown["debug"] = "smoke (a few small rounds, to see that everything works)"
    lines += table({f"{group}=": text for group, text in shown.items()})
    return [*lines, "", *_MORE.splitlines()]


def _page(topic: str) -> list[str]:
    """Return the lines about one topic."""
    before, equals, name = topic.lstrip("+~").partition("=")
    before = before.partition("@")[0]  # reward@reward.parts.task=gail chooses a reward
    if equals and before in list_groups():
        found = [one for one in list_choices(before) if f"/{one}".endswith(f"/{name}")]
        if not found:
            raise ConfigError(_unknown(topic, [f"{before}={one}" for one in list_choices(before)]))
        return _choice(before, found[0])
    topic = before  # a key, in KEY=VALUE
    if topic == "keys":
        return _keys()
    if topic in TOPICS or topic in list_groups():
        return _group(TOPICS.get(topic, topic))
    if found := _groups_with(topic):
        return _choice(found[0][0], found[0][1], found[1:])
    if keys := keys_like(topic):
        others = [key for key in abbreviated(topic.split(".")[-1]) if key not in keys]
        lines = _joined([_key(key) for key in keys])
        return [*lines, "", *filled("", f"Keys of the same name: {', '.join(others)}.")] if others else lines
    raise ConfigError(_unknown(topic, _everything()))


def _joined(pages: Iterable[list[str]]) -> list[str]:
    """Return the lines of all pages with an empty line between two of them."""
    return [line for number, page in enumerate(pages) for line in ([""] if number else []) + page]


def _everything() -> list[str]:
    """Return all that help can be asked about."""
    choices = [one for group in list_groups() for one in list_choices(group)]
    choices += [one.rsplit("/", 1)[-1] for one in list_choices("experiment")]
    return [*TOPICS, "keys", *list_groups(), *choices, *keys_of_runs()]


def _unknown(topic: str, known: Sequence[str]) -> str:
    """Return the sentence for a topic that is not known."""
    last = topic.rsplit(".", 1)[-1]
    same = [key for key in keys_of_runs() if key.rsplit(".", 1)[-1] == last]
    near = [*same, *_that_mention(last)] or get_close_matches(topic, dict.fromkeys(known), 3, 0.6)
    meant = f"did you mean {' or '.join(dict.fromkeys(near[:4]))}?" if near else ""
    return f"--help {topic} is not a topic, a choice or a key; {meant or '--help alone lists the topics.'}"


def _that_mention(word: str) -> list[str]:
    """Return the keys in whose meaning a word stands."""
    known = keys_of_runs().items()
    return [key for key, found in known if any(f" {word}" in f" {' '.join(one.meaning)}" for one in found.values())]


def _groups_with(name: str) -> list[tuple[str, str]]:
    """Return the choices of that name as (group, choice), the parts of a run first; experiments need no chapter."""
    groups = [*PARTS, *(group for group in list_groups() if group not in (*PARTS, "small_rounds", "task"))]
    found = [(group, one) for group in groups for one in list_choices(group) if one == name]
    within = [("experiment", one) for one in list_choices("experiment") if one.endswith(f"/{name}")]
    return found + [one for one in within if one not in found]


def _group(group: str) -> list[str]:
    """Return a table of the choices of a group."""
    if group == "experiment":
        return _experiments()
    how = {"model": _MODELS, "dataset": _DATASETS}.get(group)
    how = how or f"Choose one by {group}=NAME; --help {group}=NAME shows its keys."
    return [*filled("", how), "", *table(list_choices(group))]


def _experiments() -> list[str]:
    """Return a table of the experiments by chapter, each with its time."""
    lines = [*filled("", _EXPERIMENTS), ""]
    names = list(list_choices("experiment"))
    for folder in dict.fromkeys([*CHAPTERS, *map(chapter_of, names)]):
        inside = {name.removeprefix(f"{folder}/"): name for name in names if chapter_of(name) == folder}
        lines += [f"{folder}/...  {CHAPTERS.get(folder, '')}".rstrip()] if folder else []
        summaries = list_choices("experiment")
        lines += [*table({last: f"{time_of(name):>6}  {summaries[name]}" for last, name in inside.items()}), ""]
    return lines[:-1]


def _choice(group: str, name: str, others: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Return what a choice is, and its keys; ``others`` are choices of the same name."""
    summary = list_choices(group)[name]
    lines = filled("", f"{group}={name}: {summary}")
    if group == "experiment":
        lines += _settings(name)
    else:
        prefix = f"{group}." if group in PARTS else ""
        keys = keys_of_choice(group, name)
        lines += ["", *table({f"{prefix}{'.'.join(key)}={one.default}": _said(one) for key, one in keys.items()})]
    if others:
        lines += ["", f"Others of this name: {', '.join(f'--help {group}={one}' for group, one in others)}."]
    return lines


def _settings(experiment: str) -> list[str]:
    """Return how long an experiment takes, and the settings of its YAML."""
    path = CONFIGS / "experiment" / f"{experiment}.yaml"
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("# @package")]
    comments = [line.removeprefix("# ") for line in rows[: next(i for i, row in enumerate(rows) if row[0] != "#")]]
    body = rows[len(comments) :]
    return [*comments[1:], "", f"configs/experiment/{experiment}.yaml", *(f"  {line}" for line in body)]


def _said(one: Documented) -> list[str]:
    """Return range, meaning and note of a key in paragraphs."""
    first, *rest = one.meaning or ("",)
    note = f" (here: {one.note})" if one.note else ""
    return [f"{f'[{one.range}] ' if one.range else ''}{first}{note}".strip(), *rest]


def _keys() -> list[str]:
    """Return a table of every key with its default and its range."""
    about = (
        "Every key as KEY=DEFAULT, with its range. Where choices of a group differ, the first default is that of the "
        "choice which runs have by default. --help KEY says more."
    )
    rows = {}
    for key, found in keys_of_runs().items():
        defaults = list(dict.fromkeys(_short(one.default) for one in found.values()))
        ranges = list(dict.fromkeys(f"[{one.range}]" for one in found.values() if one.range))
        others = [f"or {' | '.join(defaults[1:])}"] if len(defaults) > 1 else []
        rows[f"{key}={defaults[0]}"] = "  ".join([" ".join(ranges), *others]).strip()
    return [*filled("", about), "", *table(rows)]


def _key(key: str) -> list[str]:
    """Return what a key means, its range and its defaults, for each group of choices that agree about them."""
    lines = [key]
    found = keys_of_runs()[key]
    for meaning, range_ in dict.fromkeys((one.meaning, one.range) for one in found.values()):
        alike = {name: one for name, one in found.items() if (one.meaning, one.range) == (meaning, range_)}
        for paragraph in meaning:
            lines += filled("  ", paragraph, " " * (2 + hanging(paragraph)))
        if (allowed := _allowed(range_, alike)) is not None:
            lines += filled("  range    ", allowed, " " * 11)
        for number, (default, note) in enumerate(dict.fromkeys((one.default, one.note) for one in alike.values())):
            names = [name for name, one in alike.items() if (one.default, one.note) == (default, note) and name]
            where = f"  in {', '.join(names)}" if names else ""
            lines += filled("           " if number else "  default  ", default + where, " " * 13)
            lines += filled(" " * 13, note, " " * 13) if note else []
    return lines


def _allowed(range_: str, found: Mapping[str, Documented]) -> str | None:
    """Return the values that a key may have, in words; None where only its meaning tells."""
    if range_ and (parsed := parse(range_)) is not None:
        return parsed.in_words()
    are_truth_values = {one.default for one in found.values()} <= {"true", "false"}
    return "true or false" if are_truth_values else None


def _short(default: str) -> str:
    return default if len(default) <= LONGEST else f"{default[: LONGEST - 3]}..."
