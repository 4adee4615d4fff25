"""The synthetic retail world: five landing sources, seeded and messy, with an answer key and a scorecard for it.

What a file of the shop contains, what is broken in it and what must become of it belongs here. How files are
read, judged and stored does not: that is for rooms the shop never imports.
"""

from __future__ import annotations

from examples.shop.answer_key import AnswerKey, Fault, read_answer_key
from examples.shop.generator import GenerationReport, deliver, generate
from examples.shop.scorecard import Alarm, Miss, Score, Scorecard, score

__all__ = [
    "Alarm",
    "AnswerKey",
    "Fault",
    "GenerationReport",
    "Miss",
    "Score",
    "Scorecard",
    "deliver",
    "generate",
    "read_answer_key",
    "score",
]
