"""The forms of a connection, one for each kind of provider."""

from __future__ import annotations

from typing import Any

from django import forms

from misentinel.teammates.contracts import TeammateView
from misentinel.teammates.sso.contracts import ConnectionView

KINDS = {"google": "Google Workspace", "oidc": "OpenID Connect", "saml": "SAML 2.0"}
_OFF = {"autocomplete": "off", "spellcheck": "false"}
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


class _Connection(forms.Form):
    name = forms.CharField(
        max_length=60, widget=forms.TextInput(_OFF),
        help_text="What your teammates read before they are sent there, for example “Acme's Google sign-in”.",
    )  # fmt: skip
    domains = forms.CharField(
        label="E-mail domains", max_length=4000, widget=forms.TextInput(_OFF),
        help_text="Whose addresses it signs in, with commas between. A subdomain is a domain of its own.",
    )  # fmt: skip


class GoogleForm(_Connection):
    client_id = forms.CharField(
        label="Client ID", max_length=255, widget=forms.TextInput(_OFF),
        help_text="From Google Cloud: APIs & Services, Credentials, OAuth client of type Web application.",
    )  # fmt: skip
    secret = forms.CharField(label="Client secret", max_length=500, widget=forms.PasswordInput({"autocomplete": "off"}))


class OidcForm(GoogleForm):
    issuer = forms.CharField(
        max_length=500, widget=forms.TextInput({**_OFF, "inputmode": "url"}),
        help_text="An https:// address; its configuration is read from …/.well-known/openid-configuration.",
    )  # fmt: skip
    field_order = ("name", "domains", "issuer", "client_id", "secret")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["client_id"].help_text = "What the provider calls us."


class SamlForm(_Connection):
    entity_id = forms.CharField(
        label="Provider's entity ID", max_length=500, widget=forms.TextInput(_OFF),
        help_text="Its issuer, exactly as its metadata says.",
    )  # fmt: skip
    sign_in_url = forms.CharField(
        label="Provider's sign-in address", max_length=500, widget=forms.TextInput({**_OFF, "inputmode": "url"}),
        help_text="The SingleSignOnService with the HTTP-Redirect binding, an https:// address.",
    )  # fmt: skip
    certificates = forms.CharField(
        label="Provider's certificate", max_length=20_000,
        widget=forms.Textarea({**_OFF, "rows": 6, "placeholder": _CERTIFICATE, "class": "font-monospace"}),
        help_text="PEM. While the provider changes its key, paste the old and the new one below each other.",
    )  # fmt: skip


FORMS: dict[str, type[forms.Form]] = {"google": GoogleForm, "oidc": OidcForm, "saml": SamlForm}


def kind_of(connection: ConnectionView) -> str:
    return "google" if connection.google else connection.kind.value


def edit_form(connection: ConnectionView, data: Any = None) -> forms.Form:
    """The form of a connection there is. Its secret is never shown; left empty, it stays."""
    form = FORMS[kind_of(connection)](data, initial=_initial(connection))
    if "secret" in form.fields:
        form.fields["secret"].required = False
        form.fields["secret"].help_text = "Leave empty to keep the one there is."
    return form


class EnforceForm(forms.Form):
    break_glass = forms.ChoiceField(
        label="Who may still come in with a password",
        help_text="For the day when your provider is out of order. Keep that password and its second factor safe.",
    )

    def __init__(self, keepers: list[TeammateView], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["break_glass"].choices = [(str(one.id), f"{one.name} ({one.email})") for one in keepers]  # type: ignore[attr-defined]


def _initial(connection: ConnectionView) -> dict[str, str]:
    return {
        "name": connection.name, "domains": ", ".join(connection.domains), "issuer": connection.issuer,
        "client_id": connection.client_id, "entity_id": connection.issuer, "sign_in_url": connection.sign_in_url,
        "certificates": "".join(connection.certificates),
    }  # fmt: skip
