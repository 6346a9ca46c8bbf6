"""The plain text part made from an HTML template, and the reverse. Works on templates, so that it is done once.

Liquid passes through untouched. Links become `text (address)`, images their `alt`, list items dashes;
scripts, styles and the head are dropped.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

_RAW = r"\{%-?\s*(raw|comment|doc)\s*-?%\}.*?\{%-?\s*end\1\s*-?%\}"
_LIQUID = re.compile(rf"{_RAW}|\{{%.*?%\}}|\{{\{{.*?\}}\}}", re.DOTALL)
_OPENING, _CLOSING = "\ue000", "\ue001"
_HELD = re.compile(f"{_OPENING}(\\d+){_CLOSING}")
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre"})
_LINES = frozenset(
    {"address", "article", "aside", "div", "dl", "dt", "dd", "figure", "footer", "form", "header", "hr", "li"}
    | {"main", "nav", "section", "tbody", "thead", "tr"}
)
_BLOCKS = _PARAGRAPHS | _LINES
_DROPPED = frozenset({"head", "script", "style", "title", "template"})


def text_from_html(source: str) -> str:
    """Returns a Liquid template for the text part of the HTML template `source`."""
    held: list[str] = []
    extractor = _Extractor()
    extractor.feed(_hold(source, held))
    extractor.close()
    return _release(_tidy("".join(extractor.parts)), held)


def html_from_text(source: str) -> str:
    """Returns a Liquid template for the HTML part of the text template `source`:

    escaped, blank lines part paragraphs.
    """
    held: list[str] = []
    escaped = html.escape(_hold(source.strip(), held), quote=False)
    paragraphs = [part.replace("\n", "<br>\n") for part in re.split(r"\n[ \t]*\n\s*", escaped.replace("\r\n", "\n"))]
    return _release("\n".join(f"<p>{part}</p>" for part in paragraphs), held)


def _hold(source: str, held: list[str]) -> str:
    """Puts a mark where each piece of Liquid was, so that `<` or quotes inside it confuse nobody."""

    def hold(match: re.Match[str]) -> str:
        held.append(match.group(0))
        return f"{_OPENING}{len(held) - 1}{_CLOSING}"

    return _LIQUID.sub(hold, source.replace(_OPENING, "").replace(_CLOSING, ""))


def _release(text: str, held: list[str]) -> str:
    literal = text.replace("{{", "{{ '{{' }}").replace("{%", "{{ '{%' }}")  # an author's &#123;&#123; is no Liquid
    return _HELD.sub(lambda match: held[int(match.group(1))], literal)


class _Extractor(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._dropped = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _DROPPED:
            self._dropped += 1
        elif self._dropped:
            return
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "a":
            self._links.append((given.get("href") or "", len(self.parts)))
        elif tag == "img":
            self.parts.append(given.get("alt") or "")
        elif tag in ("td", "th"):
            self.parts.append(" ")
        elif tag in _BLOCKS:
            self.parts.append("\n\n" if tag in _PARAGRAPHS else "\n")
            self.parts.append("- " if tag == "li" else "-----\n" if tag == "hr" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED:
            self._dropped = max(0, self._dropped - 1)
        elif self._dropped:
            return
        elif tag == "a" and self._links:
            address, start = self._links.pop()
            shown = "".join(self.parts[start:]).strip()
            if address and not address.startswith("#") and address.removeprefix("mailto:") != shown:
                self.parts.append(f" ({address})" if shown else address)
        elif tag in _BLOCKS:
            self.parts.append("\n\n" if tag in _PARAGRAPHS else "\n")

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self.parts.append(re.sub(r"[ \t\r\n\f]+", " ", data))


def _tidy(text: str) -> str:
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
