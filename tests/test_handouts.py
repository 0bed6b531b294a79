"""Every worked example in a handout does what it says: it is run as a doctest on the reference."""

import doctest
import re
from pathlib import Path

import pytest
import torch

from gradus.course import find_course
from gradus.submission.loader import load_submission
from gradus.topic import Topic

COURSE = find_course(Path(__file__).parent)
EXAMPLE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def prose(topic: Topic) -> str:
    """The handout's markdown without comment signs."""
    return "\n".join(
        re.sub(r"^# ?", "", cell.text, flags=re.MULTILINE) for cell in topic.cells if cell.markdown
    )


@pytest.fixture(params=COURSE.topics)
def topic(request):
    return Topic.load(COURSE.solution(request.param))


def test_every_example_does_what_it_says(topic):
    names = {"torch": torch, **vars(load_submission(topic.path, topic.name).module)}
    blocks = EXAMPLE.findall(prose(topic))
    examples = [text for language, text in blocks if language == "pycon"]
    assert examples, "a handout needs worked examples"
    assert not [text for language, text in blocks if language == "python"], (
        "write ```pycon, it is run"
    )
    output = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for number, text in enumerate(examples, start=1):
        test = doctest.DocTestParser().get_doctest(text, names, f"example {number}", None, 0)
        assert test.examples
        runner.run(test, out=output.append, clear_globs=False)
        names = test.globs
    assert not output, "".join(output)


def test_every_picture_is_drawn_with_what_is_given(topic, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as plt

    stub = tmp_path / "stub.py"  # a student reads on before everything is solved
    stub.write_text(topic.stub, encoding="utf-8")
    names = dict(vars(load_submission(stub, topic.name).module))
    for cell in topic.cells:
        if cell.picture:
            exec(compile(cell.text, f"{topic.path}:{cell.line}", "exec"), names)
            axes = [part for number in plt.get_fignums() for part in plt.figure(number).axes]
            assert any(part.has_data() for part in axes), f"line {cell.line} draws nothing"
            plt.close("all")


def test_every_task_is_taught_before_it_is_asked(topic):
    before = ""
    for cell in topic.cells:
        task = topic.task_of(cell)
        if task is not None:
            assert re.search(rf"\b{task}\b", before), f"{task} comes without a word about it"
        elif cell.markdown:
            before += cell.text


def test_formulas_have_both_of_their_dollars(topic):
    text = EXAMPLE.sub("", prose(topic))
    assert text.count("$$") % 2 == 0
    assert text.replace("$$", "").replace(r"\$", "").count("$") % 2 == 0
