"""Questions in SQL over the trail: ask, look at the answer, take it along, keep the question."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse

from misentinel.kernel.errors import Conflict, Invalid, Unavailable
from misentinel.kernel.ids import parse_id
from misentinel.teammates.contracts import Permission
from misentinel.trail.analysis.asking import MOST_ROWS, ask_customer
from misentinel.trail.analysis.contracts import Answer, Question
from misentinel.trail.analysis.examples import EXAMPLES
from misentinel.trail.analysis.saved import delete_saved, get_saved, list_saved, save_question
from misentinel.trail.analysis.showing import chart_of, csv_of
from misentinel.trail.analysis.statements import LONGEST
from misentinel.trail.contracts import Tag
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

_SHOWN = 500


class QuestionForm(forms.Form):
    """A question; the days narrow what is read of the archive. Times in the trail are UTC."""

    sql = forms.CharField(
        label="Question",
        max_length=LONGEST,
        strip=False,
        widget=forms.Textarea({"rows": 7, "class": "form-control font-monospace", "spellcheck": "false"}),
    )
    since = forms.DateField(label="From day", required=False, widget=forms.DateInput({"type": "date"}), help_text="UTC")
    until = forms.DateField(label="To day", required=False, widget=forms.DateInput({"type": "date"}), help_text="UTC")

    def asked(self) -> Question:
        given = self.cleaned_data
        return Question(given["sql"], given["since"], given["until"])


@routes.get("trail/questions", needs=Permission.TRAIL, tag=Tag.QUERY_LIST, name="trail-questions")
def questions(gate: Gate) -> HttpResponse:
    chosen = parse_id(gate.request.GET.get("saved", ""))
    named = EXAMPLES.get(gate.request.GET.get("example", ""), "")
    sql = get_saved(gate.store, chosen).sql if chosen else named or EXAMPLES["What is done most"]
    return _page(gate, QuestionForm(initial={"sql": sql}))


def ask(gate: Gate) -> HttpResponse:
    form = QuestionForm(gate.request.POST)
    if not form.is_valid():
        return _page(gate, form, status=422)
    as_file = gate.request.POST.get("as") == "csv"
    if as_file:
        gate.require(Permission.EXPORT)
    try:
        answer = ask_customer(gate.store, gate.actor, form.asked())
    except (Invalid, Unavailable) as error:
        form.add_error("sql", error.message)
        return _page(gate, form, status=error.status)
    if as_file:
        response = HttpResponse(csv_of(answer), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="trail.csv"'
        return response
    return _page(gate, form, answer)


routes.add(
    "POST", "trail/questions", needs=Permission.TRAIL, tag=Tag.TRAIL_QUERY, name="trail-questions", view=ask, looks=True
)


@routes.post("trail/questions/save", needs=Permission.TRAIL, tag=Tag.QUERY_SAVE, name="trail-question-save")
def save(gate: Gate) -> HttpResponse:
    form = QuestionForm(gate.request.POST)
    if not form.is_valid():
        return _page(gate, form, status=422)
    try:
        save_question(gate.store, gate.actor, gate.request.POST.get("name", ""), form.cleaned_data["sql"])
    except (Invalid, Conflict) as error:
        form.add_error(None, error.message)
        return _page(gate, form, status=error.status)
    flash.success(gate.request, "The question is saved.")
    return redirect("trail-questions")


@routes.post(
    "trail/questions/<uuid:query_id>/delete", needs=Permission.TRAIL, tag=Tag.QUERY_DELETE, name="trail-question-delete"
)
def delete(gate: Gate, query_id: UUID) -> HttpResponse:
    delete_saved(gate.store, gate.actor, query_id)
    flash.success(gate.request, "The question is removed.")
    return redirect("trail-questions")


def _page(gate: Gate, form: QuestionForm, answer: Answer | None = None, *, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "saved": list_saved(gate.store),
        "examples": list(EXAMPLES),
        "may_export": gate.may(Permission.EXPORT),
        "answer": answer,
    }
    if answer is not None:
        context |= {
            "chart": chart_of(answer),
            "rows": answer.rows[:_SHOWN],
            "hidden": max(0, len(answer.rows) - _SHOWN),
            "most": MOST_ROWS,
        }
    return render(gate, "console/trail/questions.html", context, status=status)
