"""What a reply says: from the raw JSON of a chat completion to probabilities of the answers that were offered.

A reply that is no answer must never be taken for one: a thought, an article ("A tie."), a negation ("Not A"), a
sentence that was cut. Where it is doubtful the judge is asked once more, and then the query is refused.
"""

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from rl_rewards.labelers.judge.prompts import YES_NO

CUT = ("length", "max_tokens", "max_output_tokens", "model_length")
"""A finish_reason of a reply that reached its limit of tokens, by one endpoint or another."""
WITHHELD = ("content_filter", "safety", "recitation", "error")
"""A finish_reason of a reply that does not say what the model would have said."""
_THOUGHT = "think|thinking|thought|thoughts|reasoning|reason|reflection|analysis"
_OPENED = (
    rf"<(?:[\w-]+:)?(?:{_THOUGHT})>",
    rf"\[(?:{_THOUGHT})\]",
    r"◁think▷|<\|START_THINKING\|>",
    r"<\|channel\|?>\s*(?:analysis|thought)",
)
_CLOSED = (
    rf"</(?:[\w-]+:)?(?:{_THOUGHT})>",
    rf"\[/(?:{_THOUGHT})\]",
    r"◁/think▷|<\|END_THINKING\|>|<channel\|>",
    r"<\|channel\|>\s*final\s*<\|message\|>",
)
"""What begins and ends a model's thoughts, where the server leaves them in the reply."""
OPENED, CLOSED = (re.compile("|".join(marks), re.IGNORECASE) for marks in (_OPENED, _CLOSED))
MARKS = re.compile(r"<\|[^|<>]*\|>|</?s>|<end_of_turn>|<eos>|</?answer>")
"""Of a chat template; they are no part of what is said."""
VERBS = "is|was|does|did|has|had|wins|won|looks|seems|comes|came|gets|got|reaches|performs|because|since|as|and|or"
UNREAD = "the judge's replies hold no answer"
ARTICLE = re.compile(rf"(?:(?<=[.!?:;,\n])|^)(\W*)A(?=\s+(?!(?:{VERBS})\b)[a-z])")
"""An A that begins a sentence and goes on with another word than these: "A tie", "A clear choice"."""
UNDECIDED = re.compile(
    r"\b(?:not|no|never|neither|nor|none|cannot|tie|ties|tied|draw|equal|equally|same|both|either|unclear|unsure|"
    r"undecided|impossible)\b|n\Wt\b|\?",
    re.IGNORECASE,
)
"""In the sentence that names an answer, these turn it round or take it back."""
NO_RATING = re.compile(r"\d[.,]\d|-\d|\b(?:step|frame|entry|clip|state)s?\s+\d", re.IGNORECASE)


class NoAnswer(NamedTuple):
    """The judge has not answered a question."""

    why: str  # in words for a person


class Reply(NamedTuple):
    """Of one request."""

    text: str
    tokens: int | None  # of the request and the reply together; None where the server does not count
    likely: list[tuple[str, dict[str, float]]]  # per token: itself, and the likeliest ones' log-probabilities (nats)
    finish: str | None = None  # why it ends: stop, length, content_filter, ...; None where the server does not say
    error: tuple[str | int | None, str] | None = None  # what the endpoint says went wrong: code and sentence

    @property
    def spoken(self) -> str:
        return spoken(self.text)


def spoken(text: str) -> str:
    """What follows the last thought in ``text``; nothing where a thought has no end."""
    rest = CLOSED.split(text)[-1]
    return "" if OPENED.search(rest) else MARKS.sub(" ", rest).strip()


def reply_of(raw: str) -> Reply:
    """Raises ValueError for anything but a chat completion with a choice; log-probabilities may be missing."""
    try:
        body = json.loads(raw)
        error = error_of(body)
        if error is not None:
            return Reply("", None, [], error=error)
        choice = body["choices"][0]
        text = _text(choice["message"].get("content"))
        usage = body.get("usage") or {}
        tokens, finish = usage.get("total_tokens"), choice.get("finish_reason")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("the reply is no chat completion") from error
    counted = tokens if isinstance(tokens, int) and tokens >= 0 else None
    return Reply(text, counted, _likely(choice), finish.lower() if isinstance(finish, str) else None)


def error_of(body: Any) -> tuple[str | int | None, str] | None:
    """Code and sentence of an error that a body tells, of all or of its only choice; None where it tells none."""
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    told = body.get("error") or (first.get("error") if isinstance(first, dict) else None)
    if told is None and first is None:
        told = body.get("detail") or body.get("message")
    if not told:
        return None
    if not isinstance(told, dict):
        return None, told if isinstance(told, str) else json.dumps(told)
    code = told.get("code") or told.get("status") or told.get("type")
    return code if isinstance(code, str | int) else None, str(told.get("message") or json.dumps(told))


def _text(content: Any) -> str:
    """Parts of a content are joined; those that are no text (a thought, a picture) are left out."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ValueError("the reply's content is no text")
    parts = [part if isinstance(part, dict) else {"type": "text", "text": part} for part in content]
    texts = [part.get("text") for part in parts if part.get("type", "text") in ("text", "output_text")]
    return "".join(text for text in texts if isinstance(text, str))


def _likely(choice: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    try:
        content = (choice.get("logprobs") or {}).get("content") or []
        return [
            (str(one["token"]), {str(top["token"]): float(top["logprob"]) for top in one.get("top_logprobs") or []})
            for one in content
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []  # of another form than the official one: as good as none


def read(reply: Reply, options: Sequence[str]) -> dict[str, float] | None:
    """Probabilities of ``options``, summing to 1; None when the reply names none of them, or several.

    Where log-probabilities are offered they are those of the token that is the answer, as shares of what falls on
    ``options``; else all of it is on what the text says.
    """
    if reply.error is not None or reply.finish in WITHHELD:
        return None
    said = yes_or_no(reply.text) if tuple(options) == YES_NO else chosen(reply.text, options)
    if said is None or (reply.finish in CUT and not _stands_alone(reply.spoken, said)):
        return None
    shares = _shares(reply, said, options)
    return shares or {option: float(option == said) for option in options}


def unread(reply: Reply) -> str:
    """Why :func:`read` has found no answer in ``reply``, in words for a person."""
    if reply.error is not None:
        return f"the endpoint says: {reply.error[1]}"
    if reply.finish in CUT or reply.finish in WITHHELD:
        return f"{UNREAD} (finish_reason={reply.finish})"
    return UNREAD if reply.spoken else f"{UNREAD} (they are empty)"


def chosen(text: str, options: Sequence[str]) -> str | None:
    """The one option that stands at the beginning or the end of ``text``, where no other one is named."""
    said = re.sub(r"(?:/|out of)\s*\d+", " ", _plain_letters(spoken(text)))
    if NO_RATING.search(said) and options[0].isdigit():
        return None
    if "A" in options:
        said = ARTICLE.sub(r"\1 ", said)
    words = re.findall(r"\w+", said)
    named = {word for word in words if word in options}
    if len(named) != 1:
        return None
    (one,) = named
    naming = [part for part in re.split(r"(?<=[.!?])\s+|\n", said) if one in re.findall(r"\w+", part)]
    decided = not any(UNDECIDED.search(part) for part in naming)
    return one if decided and one in (words[0], words[-1]) else None


def yes_or_no(text: str) -> str | None:
    """ "yes" or "no" where ``text`` is that one word, perhaps after "Answer"; None for anything longer.

    "No" begins many a sentence that is no answer ("No idea", "No case can be seen"), and must not be heard in them.
    """
    said = re.findall(r"\w+", _plain_letters(spoken(text)).casefold())
    words = said[1:] if said[:1] == ["answer"] else said
    return words[0] if len(words) == 1 and words[0] in YES_NO else None


def _stands_alone(text: str, said: str) -> bool:
    """Whether what was cut begins with its answer as a word of its own, which nothing later could have changed."""
    alone = rf"\W*{re.escape(said)}[^\w\s]*(?:$|\n|(?<=[.!:;)*])\s)"
    return re.match(alone, _plain_letters(text), re.IGNORECASE) is not None


def _plain_letters(text: str) -> str:
    """Full-width and other forms of a letter are that letter."""
    return unicodedata.normalize("NFKC", text)


def _shares(reply: Reply, said: str, options: Sequence[str]) -> dict[str, float] | None:
    """By the log-probabilities of the token that is the answer; None where they are not of the reply's own text (but
    of a thought that is not shown), or hold another answer for likelier than the one that was given.
    """
    tokens = _tokens_of(reply)
    places = [i for i, (token, _) in enumerate(tokens) if _plain(token, options) == said]
    if not places:
        return None
    last_word = _plain(re.findall(r"\w+", reply.spoken)[-1], options)
    place = places[-1] if last_word == said else places[0]
    shares = dict.fromkeys(options, 0.0)
    for token, logprob in tokens[place][1].items():
        if _plain(token, options) in shares:  # "A" and " A" are two tokens and one answer
            shares[_plain(token, options)] += math.exp(min(logprob, 0.0))
    total = sum(shares.values())
    if total <= 0.0 or shares[said] < (1.0 - 1e-9) * total / len(options):
        return None
    return {option: share / total for option, share in shares.items()}


def _tokens_of(reply: Reply) -> list[tuple[str, dict[str, float]]]:
    """The last tokens of ``reply.likely``, which spell what was spoken; none where no last ones do."""
    tail = ""
    for i in reversed(range(len(reply.likely))):
        tail = reply.likely[i][0] + tail
        if MARKS.sub(" ", tail).strip() == reply.spoken:
            return reply.likely[i:]
    return []


def _plain(token: str, options: Sequence[str]) -> str:
    """``token`` as an option would be written: "Yes" and " yes" are one answer, but "a" is not the letter A."""
    bare = _plain_letters(token).strip()
    return bare.casefold() if tuple(options) == YES_NO else bare
