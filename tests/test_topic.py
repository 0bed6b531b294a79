"""Reading solutions/: cells, tasks, hints, stubs, and what is refused."""

import pytest

from gradus.course import find_course, load_course
from gradus.errors import CourseError, TopicError
from gradus.topic import Topic, split_cells

SOURCE = '''# %% [markdown]
# # Small

# %%
import math

# %%
def one(x):
    """Add one."""
    ### BEGIN SOLUTION
    # HINT: It is more.
    # HINT: By one.
    return x + 1
    ### END SOLUTION


# %%
class Two:
    """Keep two."""

    def __init__(self):
        ### BEGIN SOLUTION
        # HINT: A number.
        self.two = 2
        ### END SOLUTION

    def get(self):
        """The number."""
        ### BEGIN SOLUTION
        # HINT: Look above.
        return self.two
        ### END SOLUTION
'''


def load(tmp_path, source):
    path = tmp_path / "small.py"
    path.write_text(source, encoding="utf-8")
    return Topic.load(path)


def test_tasks_hints_and_title_are_found(tmp_path):
    topic = load(tmp_path, SOURCE)
    assert topic.title == "Small"
    assert list(topic.tasks) == ["one", "Two"]
    assert topic.tasks["one"].hints == ("It is more.", "By one.")
    assert topic.tasks["Two"].hints == ("A number.", "Look above.")
    assert topic.tasks["one"].docstring == "Add one."


TIMED = SOURCE.replace(
    "### BEGIN SOLUTION\n", "### BEGIN SOLUTION\n    # TASK: 15 minutes, hard\n", 1
)


def test_an_author_says_how_long_a_task_takes_and_how_hard_it_is(tmp_path):
    topic = load(tmp_path, TIMED)
    assert (topic.tasks["one"].minutes, topic.tasks["one"].difficulty) == (15, "hard")
    assert (topic.tasks["Two"].minutes, topic.tasks["Two"].difficulty) == (None, "")
    assert topic.stub == load(tmp_path, SOURCE).stub  # no student sees it


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("15 minutes", "about 15 minutes", r"small\.py:11: got '# TASK: about 15 minutes, hard'"),
        ("hard", "tricky", r"easy, medium, hard"),
        ("    # HINT: It is more.", "    # TASK: 5 minutes, easy", r"small\.py:12: "),
        ("        # HINT: Look above.", "        # TASK: 5 minutes, easy", r"directly below"),
        ("import math", "# TASK: 5 minutes, easy", r"small\.py:5: "),
    ],
)
def test_a_line_about_a_task_that_nobody_would_read_is_refused(tmp_path, old, new, message):
    with pytest.raises(TopicError, match=message):
        load(
            tmp_path,
            TIMED.replace(
                "self.two = 2\n", "self.two = 2\n        # HINT: Look above.\n", 1
            ).replace(old, new, 1),
        )


def test_a_task_has_one_such_line(tmp_path):
    twice = SOURCE.replace(
        "        ### BEGIN SOLUTION\n",
        "        ### BEGIN SOLUTION\n        # TASK: 5 minutes, easy\n",
    )
    with pytest.raises(TopicError, match=r"Two has two lines `# TASK:`"):
        load(tmp_path, twice)


def test_the_stub_keeps_everything_but_the_answers(tmp_path):
    stub = load(tmp_path, SOURCE).stub
    assert stub.count('raise NotImplementedError("TODO: one")') == 1
    assert stub.count('        raise NotImplementedError("TODO: Two")') == 2
    for gone in ("HINT", "SOLUTION", "return x + 1", "self.two"):
        assert gone not in stub
    assert '"""The number."""' in stub
    compile(stub, "stub", "exec")


def test_cells_know_their_lines():
    cells = split_cells("import a\n# %%\nb = 1\n# %% [markdown]\n# text\n# %%\n\n# %%\nc = 2\n")
    assert [(cell.text.strip(), cell.line, cell.markdown) for cell in cells] == [
        ("import a", 1, False),
        ("b = 1", 3, False),
        ("# text", 5, True),
        ("c = 2", 9, False),
    ]


PICTURE = '# %% tags=["picture"]\nimport matplotlib.pyplot as plt\n\nplt.plot([1, 2])\n\n'


def test_a_picture_is_for_the_notebook_alone(tmp_path):
    head, tail = SOURCE.split("# %%\n", 1)
    topic = load(tmp_path, f"{head}{PICTURE}# %%\n{tail}{PICTURE}")
    assert [cell.picture for cell in topic.cells].count(True) == 2
    assert "matplotlib" not in topic.stub
    assert topic.stub.count("(Here the notebook `exercises/small.ipynb` draws a picture.)") == 2
    assert topic.tasks == load(tmp_path, SOURCE).tasks


def test_an_answer_takes_the_place_of_one_task(tmp_path):
    text = load(tmp_path, SOURCE).with_answer("one", "def one(x):\n    return -x\n")
    assert "return -x" in text
    assert "Add one." not in text
    assert "Keep two." in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    ### END SOLUTION\n\n\n", "\n\n", r"3 `### BEGIN SOLUTION` but 2 `### END SOLUTION`"),
        ("    ### BEGIN SOLUTION\n    # HINT: It", "    # HINT: It", r"2 .* but 3"),
        ("### END SOLUTION", "###END SOLUTION", r"###END SOLUTION"),
        ("def one(x):", "def one(x)", r"small\.py:8: "),
        ("def one(x):", "y = 1\n\n\ndef one(x):", r"must hold one function or class"),
    ],
)
def test_a_damaged_solution_is_refused_with_the_place(tmp_path, old, new, message):
    with pytest.raises(TopicError, match=message):
        load(tmp_path, SOURCE.replace(old, new, 1)).tasks  # noqa: B018


def test_a_file_without_a_task_or_without_text_is_refused(tmp_path):
    with pytest.raises(TopicError, match="no task"):
        load(tmp_path, "# %%\nx = 1\n")
    (tmp_path / "small.py").write_bytes(b"\xb0\xa1")
    with pytest.raises(TopicError, match="cannot be read"):
        Topic.load(tmp_path / "small.py")


@pytest.mark.parametrize("text", ["", "topics = 3", 'topics = ["no name"]', "topics = [", "\xff"])
def test_a_damaged_course_file_is_refused_with_a_remedy(tmp_path, text):
    (tmp_path / "course.toml").write_text(text, encoding="latin-1")
    with pytest.raises(CourseError, match=r"course\.toml"):
        load_course(tmp_path)


def test_the_course_is_found_from_any_folder_of_the_kit(tmp_path):
    (tmp_path / "course.toml").write_text("topics = ['small']\n", encoding="utf-8")
    inner = tmp_path / "exercises" / "deeper"
    inner.mkdir(parents=True)
    assert find_course(inner).root == tmp_path.resolve()
