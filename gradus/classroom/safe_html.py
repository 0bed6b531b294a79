"""A student's markdown as HTML that can do nothing but be read: no scripts, forms, styles or loads.

The markdown is rendered as nbconvert would, and what comes out is cleaned by nh3 with a list of what
is allowed. Formulas stay; commands of TeX that could make links, styles or new commands do not.
"""

import re
from functools import lru_cache
from html import escape
from typing import Any

import nh3
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from gradus.shown import visible

LONGEST = 20_000  # characters of a cell that are rendered; a longer one is shown as it was written
TAGS = """
    a abbr b blockquote br code dd del dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q
    s samp small span strong sub sup table tbody td tfoot th thead tr u ul var
"""
ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
# A picture comes with the notebook: one from elsewhere would tell its server who looks, and when.
# As an image a browser runs no script of an SVG, and loads nothing for it.
_PICTURE = re.compile(
    r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE
)
_PICTURE_FILE = re.compile(r"(?!.*\.\.)[\w\-][\w\-./]*\.(?:png|jpe?g|gif|webp)", re.IGNORECASE)
# No link into the site that shows the page: it also serves the files that were handed in.
_LINK = re.compile(r"(?:https?://|mailto:|#).*", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"\d{1,4}")
_RULES = {
    "href": _LINK, "start": _NUMBER, "colspan": _NUMBER, "rowspan": _NUMBER,
    "width": _NUMBER, "height": _NUMBER,
}  # fmt: skip
_TEX = re.compile(
    r"\\((?:href|url|require|unicode|class|cssId|style|data|bbox|mmlToken|enclose|action|texttip|tooltip|"
    r"toggle|mathtip|includegraphics|html[A-Za-z]*|[gex]?def|let|futurelet|global|csname|catcode|input|"
    r"(?:re)?newcommand|providecommand|(?:re)?newenvironment|Declare[A-Za-z]+)(?![A-Za-z]))"
)
_ATTACHED = {"image/png", "image/jpeg", "image/gif", "image/webp"}
# Nothing in it is painted outside of it, wherever it is moved to: no score of the page can be covered.
_BOX = '<div style="contain:paint;overflow:hidden">{}</div>'
_OUTPUT_BOX = '<div style="contain:paint;overflow:auto">{}</div>'  # a wide table can be moved


def safe_markdown(source: str, attachments: Any = None) -> str:
    """The source of a markdown cell in place of a student's: one line of HTML, which stays as it is.

    Given what it gave, it gives the same again.
    """
    return _safe(source, attachments) if attachments else _plain_safe(source)


@lru_cache(maxsize=512)  # most cells of a class are the handout's own
def _plain_safe(source: str) -> str:
    return _safe(source, None)


def _safe(source: str, attachments: Any) -> str:
    source = visible(source)
    before, _, after = _BOX.partition("{}")
    if source.startswith(before) and source.endswith(after) and "\n" not in source:
        return _boxed(safe_html(source[len(before) : -len(after)]))
    if len(source) > LONGEST:
        return as_text(source)
    try:
        renderer = IPythonRenderer(
            escape=False, attachments=_pictures(attachments), exclude_anchor_links=True
        )
        html = MarkdownWithMath(renderer=renderer).render(source)
    except Exception:  # a parser of another's, on text that may be meant to break it
        return as_text(source)
    return _boxed(safe_html(html))


def as_text(text: str) -> str:
    """The same for a text that is shown as it was written."""
    return _boxed(f"<pre>{escape(visible(text), quote=False)}</pre>")


def safe_output(html: str) -> str:
    """What student code has put out as HTML: the same again for what it gave."""
    html = visible(html)
    before, _, after = _OUTPUT_BOX.partition("{}")
    if html.startswith(before) and html.endswith(after):
        html = html[len(before) : -len(after)]
    return _OUTPUT_BOX.format(safe_html(html))


def safe_html(html: str) -> str:
    """HTML with only what is allowed in it."""
    cleaned = nh3.clean(
        html,
        tags=set(TAGS.split()),
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer nofollow",
    )
    return _TEX.sub(r"\\text{\1}", cleaned)


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        good = _PICTURE.fullmatch(value) or _PICTURE_FILE.fullmatch(value)
        return value if good else None
    rule = _RULES.get(name)
    return value if rule is None or rule.fullmatch(value.strip()) else None


def _pictures(attachments: Any) -> dict[str, dict[str, str]]:
    """What is attached to a cell, as far as it is pictures."""
    if not isinstance(attachments, dict):
        return {}
    found: dict[str, dict[str, str]] = {}
    for name, kinds in attachments.items():
        for kind, data in kinds.items() if isinstance(kinds, dict) else ():
            if kind in _ATTACHED and isinstance(data, str):
                found.setdefault(str(name), {})[kind] = data
    return found


def _boxed(html: str) -> str:
    """One line, which a markdown parser takes for a block of HTML and leaves alone.

    nbconvert looks for links in what the parser gives, which takes seconds where there are many brackets.
    """
    return _BOX.format(html.replace("\n", "&#10;").replace("[", "&#91;"))
