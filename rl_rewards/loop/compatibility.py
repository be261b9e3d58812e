"""Refuses combinations of parts that cannot work and warns of those known to fail, by their Requirements."""

from rl_rewards.core.checks import require
from rl_rewards.core.requirements import Requirements
from rl_rewards.envs.base import JaxEnv
from rl_rewards.loop.best import best_choice, best_setting
from rl_rewards.loop.ram import check_ram
from rl_rewards.loop.recordings import check_recordings
from rl_rewards.loop.settings import Settings
from rl_rewards.loop.state import Parts
from rl_rewards.rewards.base import RewardSource
from rl_rewards.rewards.mixture import Mixture
from rl_rewards.rewards.written.written import WrittenReward


def check(parts: Parts, settings: Settings) -> None:
    """Refuse combinations that no single part can check.

    Raises:
        ConfigError: when the parts and settings cannot work together.
    """
    source, algorithm = parts.source, parts.algorithm
    needs, offers = source.requirements, algorithm.requirements
    _check_texts(parts)
    _check_weights(parts)
    _check_written(source, parts.seeds.count)
    require(
        not needs.begins_with_policy or settings.pretrain.run is not None,
        "reward.reward_model.begins_with=policy copies the layers of the pretrained policy; name its run with "
        "pretrain=RUN_DIR, or choose reward.reward_model.begins_with=nothing.",
    )
    if parts.offline:
        require(
            not needs.needs_rollouts,
            "This reward learns from rollouts of the policy, but this algorithm collects none while it learns; choose "
            "reward=environment, or a reward that can learn from recorded steps, such as preferences or gail.",
        )
        require(
            bool(offers.data) or not needs.needs_experience,
            "This reward learns from steps of the policy or from recorded ones, but this algorithm learns from "
            "demonstrations alone; choose reward=environment, which only measures the policy.",
        )
        require(
            needs.scope == "transition",
            "This reward scores whole rollouts, and an algorithm that learns from recorded steps has none; choose a "
            "reward of single steps.",
        )
    else:
        require(
            settings.total_env_steps >= parts.steps_per_round,
            f"total_env_steps={settings.total_env_steps} is less than one round of {algorithm.num_envs} environments "
            f"times {algorithm.rollout_length} steps = {parts.steps_per_round}.",
        )
    require(
        needs.scope == "transition" or offers.learns_from != "replay",
        "This reward scores whole trajectories, which an algorithm that learns from replayed transitions cannot use; "
        "choose algorithm=ppo.",
    )
    require(
        offers.discount is None or offers.discount < 1.0 or not needs.pays_after_the_end,
        "With algorithm.discount=1 the rewards that are paid after an episode's end have an infinite sum; choose a "
        "smaller discount, or reward.early_end=allow.",
    )
    _check_demos(needs, offers)
    require(
        not needs.restarts or (not parts.offline and isinstance(parts.env, JaxEnv) and parts.env.begin_at is not None),
        f"reward.corrections_from=pushes begins the environment where a segment begins, which {parts.env.spec.name} "
        "cannot do here; choose reward.corrections_from=experience.",
    )
    _check_labeling(parts)
    together = (0 if parts.offline else algorithm.num_envs, settings.evaluation.episodes)
    copies = max(max(together) * parts.seeds.count, settings.record_episodes)
    most = parts.env.requirements.most_copies
    require(
        most is None or copies <= most,
        f"This environment can step at most {most} copies together on this device, but the larger of "
        f"algorithm.num_envs and evaluation.episodes, times num_seeds, or record_episodes, is {copies}.",
    )
    choice = best_choice(best_setting(settings, bool(offers.data)), parts.env, source)
    require(
        choice is not None or settings.evaluation.selects != "best",
        f"evaluation.selects=best keeps the policy of the best evaluation, but {parts.env.spec.name} has no true "
        "reward to choose it by; choose evaluation.selects=auto.",
    )
    check_recordings(parts, settings)
    check_ram(parts)


def _check_weights(parts: Parts) -> None:
    """Check that the weights of several objectives are told to the policy alone, and that every reward has one."""
    needs = parts.source.requirements
    require(
        not parts.env.spec.objectives or needs.stationary,
        "The observations of env=weighted tell weights, which a reward that learns must not see; let it learn in a run "
        "without env=weighted, and use it here as a part of reward=mixture: reward@reward.parts.NAME=frozen "
        "reward.parts.NAME.run=RUN_DIR.",
    )
    require(
        not parts.env.spec.objectives or not needs.pays_after_the_end,
        "A part of this reward pays after the end of an episode, where env=weighted tells no weight; choose another "
        "reward for it.",
    )


def _check_written(source: RewardSource, seeds: int) -> None:
    """Check that a written reward with a list of files has one for every seed."""
    for part in source.parts.values() if isinstance(source, Mixture) else ():
        _check_written(part, seeds)
    files = source.file if isinstance(source, WrittenReward) else None
    require(
        not isinstance(files, list) or len(files) == seeds,
        f"reward.file lists {len(files or ())} files, and num_seeds={seeds}; name one file, or a list with one for "
        "every seed.",
    )


def _check_texts(parts: Parts) -> None:
    """Check that texts have a language model, that their true reward is not paid where there is none, and that
    comparisons and equal starts can be had."""
    spec, needs, offers = parts.env.spec, parts.source.requirements, parts.algorithm.requirements
    require(
        spec.text is None or offers.needs_texts,
        f"Observations and actions of {spec.name} are texts, which only a language model can write; choose "
        "algorithm=rloo, grpo, ppo_lm, reinforce_lm, best_of_n, dpo or lm.",
    )
    require(
        spec.has_true_reward or not offers.follows_reward or "env_reward" not in needs.reads,
        f"This reward pays the true reward, and {spec.name} has none; choose reward=frozen reward.run=RUN_DIR of a run "
        "with reward=text_preferences, or env.gold=rated.",
    )
    in_file = not needs.keeps_comparisons and spec.text is not None and spec.text.comparisons > 0
    require(
        not offers.needs_comparisons or in_file or (needs.keeps_comparisons and needs.reads == ("next_obs",)),
        "This algorithm learns from comparisons of whole texts, and this reward has none; choose reward=frozen "
        "reward.run=RUN_DIR of a run with reward=text_preferences, or an environment whose file has comparisons: "
        "env=text_prompts env.path=FILE.jsonl with chosen and rejected in its lines.",
    )
    _check_heldout_prompts(parts, in_file)
    clips = 1 if needs.queries is None or spec.text is None else needs.queries.clips
    require(
        clips <= offers.same_start,
        f"This reward compares {clips} responses to the same prompt, but this algorithm samples {offers.same_start}; "
        f"choose algorithm.same_start={clips} or more, with an algorithm that samples responses, such as sampler or "
        "rloo.",
    )
    if needs.queries is not None and clips > 1:
        starts, asked = parts.algorithm.num_envs // offers.same_start, needs.queries.queries_per_round
        require(
            asked <= starts,
            f"This reward asks up to {asked} queries in a round, but a round has only {starts} prompts "
            f"(algorithm.num_envs / algorithm.same_start), so that it would ask about the same responses again; choose "
            "more reward.sessions or algorithm.num_envs.",
        )
    require(
        offers.same_start == 1 or isinstance(parts.env, JaxEnv),
        f"algorithm.same_start={offers.same_start} begins several environments in the same state, which {spec.name} "
        "cannot do; choose algorithm.same_start=1.",
    )


def _check_heldout_prompts(parts: Parts, in_file: bool) -> None:
    """Check that nobody learns from prompts that the environment keeps for evaluation, and that the reward still has
    held-out ones.

    Args:
        in_file: True if an algorithm that needs comparisons gets them from the environment's file.
    """
    needs, offers = parts.source.requirements, parts.algorithm.requirements
    for kept in parts.env.requirements.heldout_prompts:
        of_file = [("reward", one) for one in needs.heldout_prompts if needs.takes_comparisons]
        of_file += [("algorithm", one) for one in offers.heldout_prompts if in_file and offers.needs_comparisons]
        for owner, own in of_file:
            require(
                kept % own == 0,
                f"env.heldout_every={kept} keeps prompts for evaluation, but with {owner}.heldout_every={own} this run "
                f"would learn from the file's comparisons about some of them; choose {owner}.heldout_every={kept}.",
            )
        for own in () if needs.queries is None or needs.takes_comparisons else needs.heldout_prompts:
            require(
                own % kept != 0,
                f"reward.heldout_every={own} holds out no prompt that this run learns on, because "
                f"env.heldout_every={kept} keeps them all for evaluation; choose another number for one of them.",
            )


def _check_demos(needs: Requirements, offers: Requirements) -> None:
    """Check that the reward can score the demonstrations in the algorithm's batches."""
    share, read = offers.demo_fraction, needs.info_keys
    require(
        share > 0 or not needs.needs_demos_in_batches,
        "This reward pays for demonstrated steps, but the algorithm's batches have none; choose algorithm=sac "
        "algorithm.demo_fraction=0.5.",
    )
    require(
        share == 0 or not read,
        f"algorithm.demo_fraction={share} puts demonstrations into batches, but this reward reads {', '.join(read)} "
        "from info, which demonstrations do not have; set algorithm.demo_fraction=0.",
    )


def _check_labeling(parts: Parts) -> None:
    """Check that the environment records what the labeler needs, and that people answer for one seed only."""
    if parts.labeling is None:
        return
    needs, spec = parts.labeling.requirements, parts.env.spec
    for name in needs.info_keys:
        lack = "records no scenes to draw clips from" if name == "scene" else f"has no info {name}"
        known = "labeler=oracle" if name == "scene" else f"one of {', '.join(spec.info)}"
        require(name in spec.info, f"{spec.name} {lack}, which this labeler needs; choose {known}.")
    require(
        not needs.revisions or parts.algorithm.requirements.revisions,
        "This labeler prefers revisions to responses, and this algorithm marks none; choose algorithm=self_revision "
        "algorithm.writes=pairs algorithm.same_start=2, or labeler.pairs=multiple_choice.",
    )
    require(
        parts.seeds.count == 1 or not needs.asks_people,
        f"num_seeds={parts.seeds.count}: people can answer for only one seed at a time; choose num_seeds=1.",
    )
    plan = parts.source.requirements.queries
    require(
        plan is None or plan.question != "description" or needs.describes,
        "This labeler cannot say which feature of a segment matters; choose labeler=oracle, human or human_terminal, "
        "or reward.answers=comparisons.",
    )
    require(
        not needs.soft_answers or parts.source.requirements.soft_answers,
        "labeler.strength=true asks how much better a clip is, and this reward does not learn from that; choose "
        "reward=preferences with reward.soft_answers=true, or labeler.strength=false.",
    )


def warnings(parts: Parts) -> list[str]:
    """Return warnings about settings that can work but have been seen to fail."""
    found = []
    if parts.env.spec.ends_early and parts.source.requirements.pays_to_linger:
        found.append(
            f"Episodes of {parts.env.spec.name} can end early while this reward is positive at every step, so that "
            "staying near the goal pays more than finishing. reward.reward_map=log_prob, or an environment with "
            "episodes of fixed length, avoids this."
        )
    if not parts.offline and not parts.env.spec.restores:
        found.append(
            f"{parts.env.spec.name} cannot save its state. A resumed run starts fresh episodes, so that it is not "
            "bit-identical to one that never stopped."
        )
    read = () if parts.labeling is None else parts.labeling.requirements.reads
    if not parts.env.spec.has_true_reward and "env_reward" in read:
        found.append(f"This labeler compares true rewards. {parts.env.spec.name} has none: all its answers are ties.")
    return [*found, *parts.source.requirements.warnings]


def notes(parts: Parts, total_env_steps: int) -> list[str]:
    """Return notes: what a trial of the environment has shown, and a rounding of total_env_steps, if there is one."""
    found = list(parts.env.requirements.notes)
    if parts.offline or total_env_steps % parts.steps_per_round == 0:
        return found
    rounds = rounds_of(parts, total_env_steps)
    return [
        *found,
        f"total_env_steps={total_env_steps:,} is rounded down to whole rounds of {parts.steps_per_round:,}: "
        f"{rounds:,} of them, {rounds * parts.steps_per_round:,} env steps.",
    ]


def rounds_of(parts: Parts, total_env_steps: int) -> int:
    """Return the number of rounds in ``total_env_steps``, rounded down; offline, the algorithm's number of rounds."""
    return parts.dataset_sizes.rounds if parts.offline else total_env_steps // parts.steps_per_round
