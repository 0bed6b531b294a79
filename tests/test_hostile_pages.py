"""What a student writes in a notebook does nothing in the browser of whoever reads it: nbgrader's pages."""

import base64
import re
from dataclasses import dataclass
from urllib.parse import urlencode

import nbformat
import pytest
from nbgrader.api import Gradebook

from gradus.classroom.safe_html import as_text, safe_markdown
from tests.browser import listening, open_page
from tests.hostile import HOSTILE, KEPT, commands, forged, steers
from tests.nbgrader_course import Classroom, as_bytes, cell_of, filled, right_answers

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
JS = "document.documentElement.setAttribute('data-hacked',1);document.title='hacked';fetch('BEACON/js')"
SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"{JS}\"><script>{JS}</script></svg>"
MARKDOWN = [
    f"<script>{JS}</script>",
    f'<img src=x onerror="{JS}">',
    f'<svg onload="{JS}"><animate onbegin="{JS}" attributeName=x dur=1s></svg>',
    f'<iframe srcdoc="<script>parent.{JS}</script>"></iframe><iframe src="javascript:parent.{JS}"></iframe>',
    '<meta http-equiv="refresh" content="0;url=BEACON/refresh"><base href="BEACON/base/">',
    '<link rel="stylesheet" href="BEACON/css"><style>@import "BEACON/import";body{display:none}</style>',
    '<form action="BEACON/form"><input autofocus onfocus="'
    + JS
    + '"><button>Score</button></form>',
    '<div style="position:fixed;inset:0;background:url(BEACON/bg);z-index:99999">Score: 100 / 100</div>',
    '<div class="modal-backdrop in navbar-fixed-top" id="main_menu">Score: 100 / 100</div>',
    "![x](BEACON/picture.png) ![y](/api/status) <img srcset='BEACON/set 1x'> <video src='BEACON/v' autoplay>",
    f"<object data='data:text/html,<script>{JS}</script>'></object><embed src='BEACON/embed'>",
    f"[click](javascript:{JS}) <a href='jAvascript&colon;{JS}'>x</a> <a href='data:text/html,x'>y</a>",
    "[my plot](evil.html) [the server](/files/evil.html) <a href=//evil.example/>z</a>",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=\"{JS}\"&gt;'>",
    f"<noscript><p title='</noscript><img src=x onerror=\"{JS}\">'></noscript>",
    f'<details open ontoggle="{JS}"><summary>x</summary></details><marquee onstart="{JS}">x</marquee>',
    f"```html\n</code></pre><script>{JS}</script>\n```\n\n    </pre><script>{JS}</script>",
    f"$x$<!-- $ --><script>{JS}</script> $$ </div></div></div><script>{JS}</script> $$",
    f'\\begin{{x}}<img src=x onerror="{JS}">\\end{{x}}',
    f'[a]: x\n\n[a"onmouseover="{JS}]: <b> \'"><script>{JS}</script>\'',
    f"$\\href{{javascript:{JS}}}{{click}}$ $\\require{{html}}\\style{{position:fixed}}{{x}}$",
    "$\\def\\alpha{100/100} \\kern-300px\\raise300px{\\Huge 100/100}$",
    "</div></div></div></body></html><h1>Score: 100 / 100</h1>",
    HOSTILE.replace("\ud800", ""),
    "![missing](attachment:nothing.png)",
    "<b>" * 6_000,
    "[" * 19_000,
]
HONEST = f"""# My notes

A formula: $x_1 < y$ & $$\\sum_i x_i$$, **bold**, `code`, {KEPT}, [a page](https://example.org/a?b=c&d=e).

![mine](attachment:plot.png) ![a file](plot.png)

| a | b |
|---|--:|
| 1 | 2 |

```python
for i in range(3):

    print(i)
```
"""


@dataclass(frozen=True)
class Pages:
    classroom: Classroom
    log: str
    formgrader: str
    beacon: str
    asked: list[str]

    def autograded(self, student: str):
        return self.classroom.folder / "autograded" / student / "demo" / "demo.ipynb"


def hostile_notebook(released, right, beacon):
    """The right answers among cells that attack."""
    notebook = filled(released, right)
    notebook.cells += attacking_cells(beacon)
    notebook.metadata["title"] = f"</title><script>{JS}</script>"
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    return notebook


def attacking_cells(beacon):
    """One cell for each way to attack a page."""
    v4 = nbformat.v4
    here = [v4.new_markdown_cell(text.replace("BEACON", beacon)) for text in MARKDOWN]
    here.append(v4.new_markdown_cell("![a](attachment:a) <img src='attachment:a'>"))
    here[-1]["attachments"] = {
        "a": {"image/svg+xml": base64.b64encode(SVG.encode()).decode(), "text/html": "x"}
    }
    raw = [v4.new_raw_cell(f"<script>{JS}</script>".replace("BEACON", beacon)) for _ in range(2)]
    raw[0].metadata["raw_mimetype"] = raw[1].metadata["format"] = "text/html"
    code = v4.new_code_cell(f"x = 1  # <script>{JS}</script> \u202e\n'</pre><script>{JS}</script>'")
    code.outputs = outputs(beacon)
    code.metadata = nbformat.from_dict({"tags": ["<script>document.title=1</script>"], "name": "x"})
    raising = v4.new_code_cell(
        f"raise ValueError({HOSTILE!r} + {f'</pre><script>{JS}</script>'!r})"
    )
    shows = f"from IPython.display import *\nfor text in {[t.replace('BEACON', beacon) for t in MARKDOWN]!r}:\n"
    shows += "    for kind in HTML, Markdown, Latex:\n        display(kind(text))\n"
    shows += f"display(HTML('\\ud800'), {{'image/svg+xml': {SVG!r}}}, raw=True)\nDEFINED = 1"
    return [*here, *raw, code, v4.new_code_cell(shows), raising]


def outputs(beacon):
    """Outputs that a kernel would have kept."""
    html = f'<script>{JS}</script><img src=x onerror="{JS}">'.replace("BEACON", beacon)
    found = [
        nbformat.v4.new_output("display_data", data={kind: html})
        for kind in ("text/html", "text/markdown", "text/latex", "text/vnd.mermaid", "image/png")
    ]
    found.append(nbformat.v4.new_output("display_data", data={"image/svg+xml": SVG}))
    found.append(nbformat.v4.new_output("display_data", data={"application/javascript": JS}))
    widget = {"model_id": "x", "version_major": 2, "version_minor": 0}
    found.append(
        nbformat.v4.new_output(
            "display_data", data={"application/vnd.jupyter.widget-view+json": widget}
        )
    )
    found.append(nbformat.v4.new_output("stream", name="stdout", text=html + "\x1b[31m"))
    found.append(nbformat.v4.new_output("error", ename=html, evalue=html, traceback=[html]))
    found.append(nbformat.v4.new_output("display_data", data={"image/png": PNG}))
    return found


@pytest.fixture(scope="module")
def pages(shared_classroom, tmp_path_factory):
    classroom = shared_classroom.copied(tmp_path_factory.mktemp("hostile"))
    right = right_answers(classroom.kit, "demo")
    released = classroom.released()
    text = f"{HOSTILE}<script>{JS}</script> $\\href{{javascript:1}}{{x}}$"
    squared = f"def double(x):\n    raise ValueError({text!r})"
    with listening() as (beacon, asked):
        notebook = hostile_notebook(released, right, beacon)
        classroom.hand_in("hostile", notebook, {"evil.html": f"<script>{JS}</script>"})
        classroom.hand_in("raises", filled(released, {**right, "double": squared}))
        honest = filled(released, right)
        cell = nbformat.v4.new_markdown_cell(HONEST)
        cell["attachments"] = {"plot.png": {"image/png": PNG}}
        honest.cells.append(cell)
        classroom.hand_in("honest", honest)
        classroom.handed_in("honest").with_name("plot.png").write_bytes(base64.b64decode(PNG))
        odd = classroom.handed_in("honest").with_name("\x1b[2Jodd\n::error::name\u202e.txt")
        odd.write_text("x", encoding="utf-8")
        done = classroom.nbgrader("autograde", "demo")
        feedback = classroom.nbgrader("generate_feedback", "demo")
        assert (done.returncode, feedback.returncode) == (0, 0), done.stdout + feedback.stdout
        with classroom.formgrader() as post:
            yield Pages(classroom, done.stdout + feedback.stdout, post.address, beacon, asked)


def require_harmless(pages, page, title="demo"):
    """No script ran in the page, nothing was loaded, and it holds nothing that could."""
    assert "data-hacked" not in re.sub(r"<pre[\s\S]*?</pre>", "", page).partition("<body")[0]
    assert re.search(r"<title>([^<]*)</title>", page)[1] == title
    assert pages.asked == []
    body = page.partition("<body")[2]
    assert not re.search(
        r"<(iframe|object|embed|form|link|base|meta|math|video|noscript|svg)\b", body
    )
    assert not re.search(
        r"<[a-z][^<>]*\s(on\w+|srcset|srcdoc|style=\"position)\s*=[^<>]*data-hacked", body
    )
    assert "javascript:document" not in "".join(re.findall(r"href=\"([^\"]*)", body))


def test_marks_are_what_the_answers_deserve(pages):
    assert pages.classroom.scores() == {"hostile": 7, "honest": 7, "raises": 4}


@pytest.mark.parametrize("student", ["hostile", "raises", "honest"])
def test_feedback_runs_nothing(pages, student):
    path = pages.classroom.folder / "feedback" / student / "demo" / "demo.html"
    require_harmless(pages, open_page(path.as_uri()))


@pytest.mark.parametrize("student", ["hostile", "raises", "honest"])
def test_formgrader_runs_nothing(pages, student):
    page = formgrader_page(pages, student)
    require_harmless(pages, page)
    assert "check-double" in page
    assert "border-collapse:collapse" in page  # gradus's own table stays as it is


def formgrader_page(pages, student, *words):
    with Gradebook(f"sqlite:///{pages.classroom.folder / 'gradebook.db'}") as gradebook:
        number = gradebook.find_submission_notebook("demo", "demo", student).id
    token = urlencode({"token": "a-secret"})
    return open_page(f"{pages.formgrader}/formgrader/submissions/{number}/?{token}", *words)


def test_what_is_shown_is_cleaned_again_where_the_graded_notebook_was_not(pages):
    path = pages.autograded("hostile")
    before = path.read_bytes()
    dirty = nbformat.read(path, as_version=4)
    dirty.cells += attacking_cells(pages.beacon)
    for cell in dirty.cells:
        cell.pop("id", None)
    path.write_bytes(as_bytes(dirty))
    try:
        require_harmless(pages, formgrader_page(pages, "hostile"))
        done = pages.classroom.nbgrader(
            "generate_feedback", "demo", "--student", "hostile", "--force"
        )
        assert done.returncode == 0, done.stdout
        path_of_page = pages.classroom.folder / "feedback" / "hostile" / "demo" / "demo.html"
        page = open_page(path_of_page.as_uri())
        require_harmless(pages, page)
        assert f"data:image/png;base64,{PNG}" in page
    finally:
        path.write_bytes(before)


def test_the_browser_of_these_tests_would_notice(pages, tmp_path):
    page = tmp_path / "page.html"
    text = f"<html><title>demo</title><body>{MARKDOWN[0]}{MARKDOWN[7]}</body></html>"
    page.write_text(text.replace("BEACON", pages.beacon), encoding="utf-8")
    shown = open_page(page.as_uri())
    assert 'data-hacked="1"' in shown
    assert "<title>hacked</title>" in shown
    assert {"/js", "/bg"} <= set(pages.asked)
    pages.asked.clear()


def test_honest_text_is_rendered(pages):
    page = pages.classroom.feedback("honest")
    for text in (
        "<h1>My notes</h1>", "$x_1 &lt; y$", r"$$\sum_i x_i$$", "<strong>bold</strong>", KEPT,
        'href="https://example.org/a?b=c&amp;d=e"', f'src="data:image/png;base64,{PNG}"',
        'src="plot.png"', "<td>2</td>",
    ):  # fmt: skip
        assert text in page
    assert "double: 3 of 3 points" in page
    assert "A demonstration" in page


def test_graded_notebooks_themselves_are_clean(pages):
    for student in ("hostile", "raises"):
        notebook = nbformat.read(pages.autograded(student), as_version=4)
        for cell in notebook.cells:
            assert cell.cell_type in ("code", "markdown")
            assert "attachments" not in cell
            if cell.cell_type == "markdown":
                assert safe_markdown(cell.source) == cell.source
                assert not steers(cell.source)
            else:
                texts = [o.data.get("text/html", "") for o in cell.outputs if "data" in o]
                assert "<script" not in "".join(texts)
                assert not [t for o in cell.outputs for t in o.get("traceback", ()) if steers(t)]
    table = cell_of(nbformat.read(pages.autograded("raises"), as_version=4), "check-double")
    assert "tex2jax_ignore" in table.outputs[0].data["text/html"]


def test_nbgraders_log_is_safe_to_read(pages):
    assert "hostile" in pages.log
    assert steers(re.sub(r"\x1b\[[0-9;]*m", "", pages.log)) == []  # nbgrader's own colours
    assert (commands(pages.log), forged(pages.log)) == ([], [])


def test_text_that_is_shown_as_it_was_written():
    assert as_text("<b>&\n\u202e") == as_text("<b>&\n\u202e")
    assert "&lt;b&gt;&amp;&#10;\\u202e" in as_text("<b>&\n\u202e")
    assert "<pre>" in safe_markdown("x" * 20_001)
