"""A slow verifier of arithmetic problems in plain Python, against which the one in JAX is tested."""

import re
from typing import NamedTuple


class Judged(NamedTuple):
    right: list[int]  # of every step, the last one included
    answer_right: bool


def judge(prompt: str, words: list[str], length: int) -> Judged:
    """Return the judgement of a response.

    Args:
        words: its tokens up to and including the first end token, or all L of them.
        length: L.
    """
    ended = words[-1] == "<end>"
    body = words[:-1] if ended else words
    sentences, rest = _sentences(body)
    right, results, answers, used = [], [], [], []
    for number, sentence in enumerate(sentences):
        right.append(_follows(prompt, number, sentence, results[-1] if results else None, used))
        step, answer = _step(sentence), _answer(sentence)
        results.append(None if step is None else step[3])
        if step is not None and number < 2:
            used += [step[0], step[2]] if number == 0 else [step[2]]
        elif number < 2:
            used += [None, None] if number == 0 else [None]
        if answer is not None:
            answers.append((number, answer))
    last = sentences[-1] if sentences else []
    if ended:
        whole = bool(sentences) and not rest and right[-1] and _answer(last) is not None
        right = [*(right[:-1] if sentences and not rest else right), whole]
    else:  # the response was cut at L tokens
        assert len(words) == length
        right = [*(right if rest else right[:-1]), False]
    return Judged([int(one) for one in right], _solves(prompt, answers, used))


def _sentences(words: list[str]) -> tuple[list[list[str]], list[str]]:
    found, current = [], []
    for word in words:
        if word == ".":
            found.append(current)
            current = []
        else:
            current.append(word)
    return found, current


def _step(sentence: list[str]) -> tuple[int, str, int, int] | None:
    match = re.fullmatch(r"(\d+) ([+-]) (\d+) is (\d+)", " ".join(sentence))
    return None if match is None else (int(match[1]), match[2], int(match[3]), int(match[4]))


def _answer(sentence: list[str]) -> int | None:
    match = re.fullmatch(r"so (\d+)", " ".join(sentence))
    return None if match is None else int(match[1])


def _chain(prompt: str) -> tuple[str, int, list[tuple[str, int]]] | None:
    match = re.fullmatch(r"(work out|say at once) (\d+)((?: [+-] \d+)+) \.", prompt)
    if match is None:
        return None
    parts = match[3].split()
    return match[1], int(match[2]), [(sign, int(y)) for sign, y in zip(parts[::2], parts[1::2], strict=True)]


def _search(prompt: str) -> tuple[int, list[int]]:
    match = re.fullmatch(r"make (\d+) from ((?:\d+ ){5})\.", prompt)
    assert match is not None
    return int(match[1]), [int(one) for one in match[2].split()]


def _follows(prompt: str, number: int, sentence: list[str], before: int | None, used: list) -> bool:
    step, answer, chain = _step(sentence), _answer(sentence), _chain(prompt)
    if step is not None and step[3] != (step[0] + step[2] if step[1] == "+" else step[0] - step[2]):
        return False
    if chain is not None:
        how, first, operations = chain
        total = first + sum(y if sign == "+" else -y for sign, y in operations)
        if how == "say at once":
            return number == 0 and answer is not None and answer == total
        if step is not None:
            here = first if number == 0 else before
            return number < len(operations) and step[0] == here and (step[1], step[2]) == operations[number]
        return answer is not None and number == len(operations) and answer == before
    target, offered = _search(prompt)
    if step is not None:
        if step[1] != "+" or step[2] not in offered:
            return False
        if number == 0:
            return step[0] in offered and step[0] != step[2]
        return number == 1 and step[0] == before and step[2] not in used
    return answer is not None and number == 2 and answer == before == target


def _solves(prompt: str, answers: list[tuple[int, int]], used: list) -> bool:
    if not answers:
        return False
    number, answer = answers[0]
    chain = _chain(prompt)
    if chain is not None:
        return answer == chain[1] + sum(y if sign == "+" else -y for sign, y in chain[2])
    target, offered = _search(prompt)
    if number != 2 or len(used) != 3 or None in used:
        return False
    return answer == target == sum(used) and len(set(used)) == 3 and set(used) <= set(offered)
