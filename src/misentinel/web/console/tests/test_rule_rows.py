"""What is typed into rows becomes the rule that was meant, and comes back the same; deeper rules stay whole."""

import pytest
from django.http import QueryDict

from misentinel.kernel.errors import Invalid
from misentinel.segments import rules
from misentinel.web.console.rule_rows import Row, RuleForm, from_post, from_rule, marked, to_rule, told


@pytest.mark.parametrize(
    "condition",
    [
        {"attribute": "plan", "test": "is", "value": "pro"},
        {"attribute": "code", "test": "is", "value": "42"},
        {"attribute": "seats", "test": "greater", "value": 3},
        {"attribute": "rate", "test": "less", "value": 2.5},
        {"attribute": "trial", "test": "is", "value": True},
        {"attribute": "word", "test": "is_not", "value": "true"},
        {"attribute": "plan", "test": "in", "value": ["pro", "team"]},
        {"attribute": "seats", "test": "between", "value": [1, 5]},
        {"attribute": "email", "test": "set"},
        {"attribute": "signedUp", "test": "before", "value": "2026-03-01"},
        {"attribute": "signedUp", "test": "in_last_days", "value": 30},
        {"event": "Order Completed", "at_least": 2, "within_days": 30},
        {"event": "Order Completed", "at_most": 3},
        {"event": "Order Completed", "at_most": 0},
    ],
)
def test_a_condition_comes_back_from_its_row_as_it_was(condition):
    rule = {"any": [condition]}
    assert to_rule(from_rule(rule)) == rule
    rules.parse(to_rule(from_rule(rule)))
    assert told(rule)


@pytest.mark.parametrize(
    "rule",
    [
        {"all": [{"not": {"attribute": "plan", "test": "is", "value": "pro"}}]},
        {"all": [{"any": [{"attribute": "plan", "test": "set"}]}]},
        {"all": [{"event": "Order Completed", "at_least": 2, "at_most": 5}]},
    ],
)
def test_a_rule_that_rows_cannot_show_is_edited_as_json_and_never_flattened(rule):
    form = from_rule(rule)
    assert form.as_json
    assert to_rule(form) == rule
    assert told(rule)


def test_what_the_browser_sends_is_read_row_by_row_and_empty_rows_are_left_out():
    post = QueryDict(
        "match=any&row-kind=attribute&row-name=plan&row-test=is&row-value=pro&row-days="
        "&row-kind=event&row-name=Order+Completed&row-test=at_least&row-value=&row-days=7"
        "&row-kind=attribute&row-name=&row-test=is&row-value=&row-days="
    )
    assert to_rule(from_post(post)) == {
        "any": [
            {"attribute": "plan", "test": "is", "value": "pro"},
            {"event": "Order Completed", "at_least": 1, "within_days": 7},
        ]
    }


def test_no_rows_are_refused_rather_than_meaning_everybody():
    with pytest.raises(Invalid, match="at least one rule"):
        to_rule(from_post(QueryDict("match=all")))


def test_a_mistake_is_marked_at_its_row():
    form = RuleForm("all", [Row("attribute", "plan", "is", "pro"), Row("attribute", "seats", "greater", "many")])
    with pytest.raises(Invalid) as caught:
        rules.parse(to_rule(form))
    rows = marked(form, caught.value).rows
    assert rows[0].error == "" and "number" in rows[1].error


def test_rules_are_told_in_words():
    rule = {"all": [{"attribute": "plan", "test": "is", "value": "pro"}, {"event": "Order Completed", "at_most": 0}]}
    assert told(rule) == "plan is pro, and no Order Completed"
    assert told({"all": []}) == "Everybody"


@pytest.mark.parametrize(
    "document",
    [
        "[" * 5000,
        '{"not":' * 5000 + "{}" + "}" * 5000,
        '{"attribute": "a", "test": "is", "value": "\\ud800"}',
        '{"attribute": "a", "test": "is", "value": NaN}',
        '{"attribute": "a", "test": "greater", "value": 1e400}',
    ],
)
def test_a_document_made_to_be_hard_to_read_is_refused_in_one_sentence(document):
    with pytest.raises(Invalid, match="not JSON"):
        to_rule(RuleForm(document=document))


def test_a_number_of_any_length_is_read():
    assert to_rule(RuleForm(document='{"value": %s}' % ("9" * 300)))["value"] == pytest.approx(1e300)
