"""What the pages of sign-in and teammates share in answering: a template with its gate, and a form sent back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import render

from misentinel.kernel.errors import MiSentinelError, TooMany
from misentinel.web.gate import Gate


def show(gate: Gate, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return render(gate.request, f"console/{template}", {"gate": gate, **context}, status=status)


def try_again(gate: Gate, template: str, context: dict[str, Any], error: MiSentinelError) -> HttpResponse:
    """Shows the form in `context` again with what was wrong, as a whole, at its top."""
    form: forms.Form = context["form"]
    form.add_error(None, error.message)
    response = show(gate, template, context, status=429 if isinstance(error, TooMany) else 422)
    if isinstance(error, TooMany):
        response["Retry-After"] = str(error.retry_after)
    return response
