"""Templates: what authors can say, what they cannot reach, and how a mistake is told."""

from __future__ import annotations

import time

import pytest

from misentinel.kernel.errors import Invalid, TooLarge
from misentinel.messages.rules import templates
from misentinel.messages.rules.plain import html_from_text, text_from_html
from misentinel.messages.rules.templates import Content, check_content, compile_content, context_for

HOSTILE = "<script>alert(1)</script>"


def render(html, **context):
    return compile_content(Content("s", html)).render(context).html


def test_a_fall_back_stands_in_for_what_is_unknown():
    content = compile_content(Content("Hi {{ name | default: 'there' }}", "<p>Dear {{ name | default: 'friend' }}</p>"))
    assert content.render({"name": "Asha"}).subject == "Hi Asha"
    assert content.render({}).html == "<p>Dear friend</p>"
    assert content.render({}).subject == "Hi there"


def test_a_content_is_parsed_once():
    content = Content("Once", "<p>{{ a }}</p>")
    assert compile_content(content) is compile_content(Content("Once", "<p>{{ a }}</p>"))


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("<p>\n  {{ name | nosuch }}</p>", 2, 13),
        ("{% if name %}\n\nhello", 3, 6),
        ("a\nb {% frobnicate %}", 2, 6),
        ("{% include 'secrets' %}", 1, 4),
        ("{% render 'secrets' %}", 1, 4),
        ("{{ name | safe }}", 1, 11),
        ("x {{ name", 1, 3),
    ],
)
def test_a_mistake_is_told_with_its_line_and_column(source, line, column):
    with pytest.raises(Invalid) as raised:
        check_content(Content("s", source))
    assert raised.value.details["field"] == "html"
    assert (raised.value.details["line"], raised.value.details["column"]) == (line, column)
    assert f"line {line}" in raised.value.message


def test_what_a_person_wrote_is_escaped_in_html_and_left_alone_in_text():
    rendered = compile_content(Content("s", "<p>{{ name }}</p>")).render({"name": HOSTILE})
    assert "<script" not in rendered.html
    assert HOSTILE in rendered.text


@pytest.mark.parametrize("name", sorted(templates._HTML.filters))
def test_no_filter_lets_a_persons_html_through(name):
    import base64

    encoded = {
        "url_decode": "%3Cscript%3E",
        "base64_decode": base64.b64encode(HOSTILE.encode()).decode(),
        "base64_url_safe_decode": base64.urlsafe_b64encode(HOSTILE.encode()).decode(),
        "escape_once": "&lt;script&gt;",
    }.get(name, HOSTILE)
    for arguments in ("", ": name", ": 'a', name", ": 3", ": '%Y'"):
        for value in (encoded, [encoded, encoded], {"k": encoded}):
            try:
                shown = render(f"{{{{ name | {name}{arguments} }}}}|{{{{ '{{{{%' | {name}: name }}}}", name=value)
            except Invalid:
                continue
            assert "<script" not in shown, (name, arguments, value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ name.__class__.__mro__ }}",
        "{{ name.upper }}",
        "{{ person.__init__ }}",
        "{{ event.keys }}",
        "{{ self }}",
        "{{ globals }}",
    ],
)
def test_no_python_is_within_reach(source):
    context = context_for("id", {"name": "Asha"}, {"a": 1}, "https://example.com/u/x")
    assert render(source, **context).strip() == ""


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..5000) %}{% for j in (1..5000) %}{% endfor %}{% endfor %}",
        "{{ (1..1000000000) | join: '' }}",
        "{{ (1..1000000000) | reverse }}",
        "{% assign a = 'xxxxxxxxxx' %}{% for i in (1..100) %}{% assign a = a | append: a %}{% endfor %}",
        "{% assign a = 99999999 %}{% for i in (1..100) %}{% assign a = a | times: a %}{% endfor %}",
        "{{ '" + "a" * 50_000 + "' | replace: '', '" + "b" * 50_000 + "' }}",
        "{{ '" + "a" * 50_000 + "' | split: '' | join: '" + "b" * 50_000 + "' }}",
        "{% if a %}" * 200 + "{% endif %}" * 200,
        "{% for i in (1..9999) %}" + "x" * 1000 + "{% endfor %}",
    ],
)
def test_a_greedy_template_is_refused_quickly(source):
    started = time.process_time()
    with pytest.raises(Invalid):
        check_content(Content("s", source))
    assert time.process_time() - started < 20


def test_a_date_of_enormous_width_stays_small():
    assert len(render("{{ 'now' | date: '%0999999999d' }}")) < 1000


def test_an_overlong_template_is_refused():
    with pytest.raises(TooLarge):
        check_content(Content("s", "x" * (templates.SOURCE_LIMIT + 1)))


def test_a_message_needs_subject_and_body():
    for content in (Content(" ", "<p>x</p>"), Content("s", " ", " ")):
        with pytest.raises(Invalid):
            check_content(content)


def test_a_subject_stays_one_line_whatever_a_person_is_called():
    for name in ("a\r\nBcc: mallory@example.com", "a\nb", "a\x00b", "a\u2028b", "a\x85b"):
        subject = compile_content(Content("Hi {{ name }}", "<p>x</p>")).render({"name": name}).subject
        assert not any(ord(c) < 32 or c in "\x85\u2028" for c in subject)


def test_an_error_message_quotes_no_value_of_the_persons():
    compiled = compile_content(Content("s", "{{ amount | divided_by: secret }}"))
    with pytest.raises(Invalid) as raised:
        compiled.render({"amount": 1, "secret": "hunter-and-gatherer"})
    assert "hunter" not in raised.value.message


def test_text_is_made_from_html():
    source = (
        "<html><head><title>t</title><style>p{}</style></head><body>"
        "<h1>Hello {{ name | default: '<b>' }}</h1>"
        "<p>Two &amp; three<br>four <a href='https://example.com/{{ id }}'>here</a></p>"
        "<ul><li>one<li>two</ul>{% if a < 3 %}<img alt='logo' src='x'>{% endif %}<script>no()</script>"
        "{% raw %}{{ stays }}{% endraw %} &#123;&#123; braces }}</body></html>"
    )
    text = compile_content(Content("s", source)).render({"name": "Asha", "id": 7, "a": 1}).text
    assert text.split("\n") == [
        "Hello Asha", "", "Two & three", "four here (https://example.com/7)", "", "- one", "- two", "",
        "logo{{ stays }} {{ braces }}", "",
    ]  # fmt: skip


def test_html_is_made_from_text():
    html = html_from_text("Dear {{ name | default: 'a & b' }},\nwe are <here>\n\nBye")
    assert html == "<p>Dear {{ name | default: 'a & b' }},<br>\nwe are &lt;here&gt;</p>\n<p>Bye</p>"
    assert text_from_html(html).strip() == "Dear {{ name | default: 'a & b' }},\nwe are <here>\n\nBye"
