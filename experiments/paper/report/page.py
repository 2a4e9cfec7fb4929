"""The whole page, from its sections."""

from collections.abc import Sequence
from pathlib import Path

from experiments.paper.report.html import Html, join, tag
from experiments.paper.report.sections import Section

STYLE = Path(__file__).with_name("style.css")
PAPER = "https://arxiv.org/abs/2012.08234"


def page(title: str, lead: str, sections: Sequence[Section], made: str) -> str:
    """One self-contained HTML file: style and pictures are in it, and nothing is fetched.

    Args:
        title: of the page.
        lead: the sentence under it.
        sections: in their order.
        made: the last line: when and from what.
    """
    # a browser may ask for /favicon.ico unless the page has one
    icon = Html('<link rel="icon" href="data:,">')
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        icon,
        tag("style", Html(STYLE.read_text(encoding="utf-8"))),
    )
    contents = [_entry(section) for section in sections]
    paper = tag("a", "arXiv:2012.08234", href=PAPER)
    body = tag(
        "body",
        tag(
            "div",
            tag("header", tag("h1", title), tag("p", lead, " The paper: ", paper, ".")),
            tag("nav", tag("h2", "Contents"), tag("ol", contents), aria_label="Contents"),
            tag("main", [_section(section) for section in sections]),
            tag("footer", made),
            class_="page",
        ),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _entry(section: Section) -> Html:
    """A line of the contents, with the parts of the section below it."""
    parts = [tag("li", tag("a", words, href=f"#{anchor}")) for anchor, words in section.entries]
    link = tag("a", section.heading, href=f"#{section.anchor}")
    return tag("li", link, tag("ol", parts) if parts else None)


def _section(section: Section) -> Html:
    heading = tag("h2", section.heading, id=section.anchor)
    return tag("section", join([heading, section.content]), aria_labelledby=section.anchor)
