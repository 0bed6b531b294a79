"""Generated reviews in English and Korean whose verdict depends on the ORDER of the words.

Each review says something about two things, and a little word in the middle says which counts:

    the food was good but the film was bad              -> negative: after "but" comes the verdict
    the film was bad but the food was good              -> positive, with the very same words
    overall the plot was not dull though the cast was awful   -> positive: "though" only adds a detail
    overall the plot was dull though the cast was not awful   -> negative, with the very same words
    음식은 좋았다 하지만 영화는 안 지루했다                 -> positive ("하지만" is but, "안" is not)
    음식은 안 좋았다 하지만 영화는 지루했다                 -> negative, with the very same words

Reviews come in such twins: the same words as often as each other, the opposite label. Whoever only
counts words (a *bag of words*) gives both twins the same answer and is right for exactly half of all
reviews. Both twins are in the same part, and no review is in both parts.

Source: made here by a small grammar (no download, no licence); the idea of pairs that differ only in
what decides is that of M. Gardner and others, "Evaluating Models' Local Decision Boundaries via
Contrast Sets", Findings of EMNLP 2020.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Grammar:
    """The words of one language, and how a clause is put together."""

    things: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    openings: tuple[str, ...]
    adverbs: tuple[str, ...]
    but: str  # the verdict is what comes after it
    though: str  # the verdict is what comes before it
    clause: str  # {thing}, {adverb}, {negation} and {word} in the order of this language
    negation: str


ENGLISH = Grammar(
    things=("food", "film", "staff", "plot", "music", "hotel", "story", "cast"),
    good=("good", "great", "fun", "lovely", "superb"),
    bad=("bad", "dull", "awful", "boring", "poor"),
    openings=("honestly", "overall", "frankly"),
    adverbs=("very", "really", "quite"),
    but="but",
    though="though",
    clause="the {thing} was {negation} {adverb} {word}",
    negation="not",
)
KOREAN = Grammar(
    things=("음식은", "영화는", "직원은", "줄거리는", "음악은", "호텔은", "이야기는", "연기는"),
    good=("좋았다", "멋있었다", "재밌었다", "괜찮았다", "훌륭했다"),
    bad=("나빴다", "지루했다", "이상했다", "답답했다", "끔찍했다"),
    openings=("솔직히", "전체적으로", "사실"),
    adverbs=("아주", "정말", "꽤"),
    but="하지만",
    though="다만",
    clause="{thing} {adverb} {negation} {word}",
    negation="안",
)
GRAMMARS = {"english": (ENGLISH,), "korean": (KOREAN,), "both": (ENGLISH, KOREAN)}


def load_reviews(
    seed: int, train: int = 2000, test: int = 400, language: str = "both"
) -> tuple[list[str], Int[Tensor, " train"], list[str], Int[Tensor, " test"]]:
    """Make reviews and split them: `(train_texts, train_labels, test_texts, test_labels)`.

    A text is one line of words with single blanks between them. Labels are int64, 1 for positive.
    `train` and `test` count reviews; twins stand side by side. `language` is "english", "korean" or
    "both" (about half and half). The same seed gives the same reviews; no global random state is touched.

    Raises:
        ValueError: a size is odd or not positive, or the language is none of the three.
    """
    for name, size in (("train", train), ("test", test)):
        if size < 2 or size % 2:
            raise ValueError(
                f"load_reviews: {name} must be even and at least 2, got {size}: "
                "reviews come in twins, and both parts need some"
            )
    if language not in GRAMMARS:
        raise ValueError(
            f"load_reviews: language must be one of {', '.join(GRAMMARS)}, got {language!r}"
        )

    twins = _different_twins(random.Random(seed), GRAMMARS[language])
    parts = [[review for _ in range(size // 2) for review in next(twins)] for size in (train, test)]
    (x_train, y_train), (x_test, y_test) = (
        ([text for text, _ in part], torch.tensor([label for _, label in part])) for part in parts
    )
    return x_train, y_train, x_test, y_test


def _different_twins(
    chance: random.Random, grammars: tuple[Grammar, ...]
) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """Pairs of reviews with the same words and opposite labels; no review comes twice."""
    seen: set[str] = set()
    while True:
        first, second = _twins(chance, chance.choice(grammars))
        if first[0] not in seen and second[0] not in seen:
            seen |= {first[0], second[0]}
            yield first, second


def _twins(chance: random.Random, words: Grammar) -> tuple[tuple[str, int], tuple[str, int]]:
    """Two clauses, once in each of two arrangements."""
    thing_a, thing_b = chance.sample(words.things, 2)
    word_a, word_b = chance.choice(words.good), chance.choice(words.bad)
    if chance.random() < 0.5:
        word_a, word_b = word_b, word_a
    adverb_a, adverb_b = (chance.choice(("", *words.adverbs)) for _ in range(2))
    opening = chance.choice((*words.openings, *[""] * len(words.openings)))
    middle = chance.choice((words.but, words.though))

    def review(clauses: list[tuple[str, str, str, bool]]) -> tuple[str, int]:
        """The text of two clauses (thing, adverb, word, negated), and its label."""
        texts, verdicts = [], []
        for thing, adverb, word, negated in clauses:
            not_ = words.negation if negated else ""
            texts.append(words.clause.format(thing=thing, adverb=adverb, word=word, negation=not_))
            verdicts.append((word in words.good) != negated)
        line = " ".join([opening, texts[0], middle, texts[1]])
        return " ".join(line.split()), int(verdicts[1 if middle == words.but else 0])

    if chance.random() < 0.4:  # the negation moves from one clause to the other
        negated = chance.choice(((True, False), (False, True)))
        a, b = (thing_a, adverb_a, word_a), (thing_b, adverb_b, word_b)
        arrangements = [[(*a, one), (*b, two)] for one, two in (negated, negated[::-1])]
    else:  # the clauses change places
        both = chance.random() < 0.4
        clauses = [(thing_a, adverb_a, word_a, both), (thing_b, adverb_b, word_b, both)]
        arrangements = [clauses, clauses[::-1]]
    first, second = arrangements
    return review(first), review(second)
