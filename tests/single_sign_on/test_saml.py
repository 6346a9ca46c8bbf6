"""SAML 2.0: with a provider that others wrote, and against everybody who would forge an answer of it."""

from __future__ import annotations

import copy
import hashlib
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import xmlsec
from lxml import etree

from misentinel.kernel.clock import held, in_future, now
from misentinel.teammates.actions import connecting
from misentinel.teammates.models import Connection, SeenAssertion, SignInFailure, SingleSignOn
from misentinel.teammates.sso import saml
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import browser, signed_in
from tests.single_sign_on.assertions import DS, SAML, posted, response, signed
from tests.single_sign_on.steps import OPERATOR, begin, connect_oidc, connect_saml, hire_at

ASHA = "asha@acme.example.com"


@pytest.fixture
def connection(acme, saml_keys):
    return connect_saml(acme.customer_id, saml_keys[2], "acme.example.com")


@pytest.fixture
def asha(acme, connection):
    return hire_at(acme.customer_id, ASHA)


class Visit:
    """One browser on its way, and what we asked the provider for."""

    def __init__(self, **form: str) -> None:
        SignInFailure.objects.all().delete()
        self.client, self.url = begin(ASHA, **form)
        self.state = parse_qs(urlsplit(self.url).query)["RelayState"][0]
        row = SingleSignOn.objects.order_by("begun_at").last()
        self.asked = f"_{hashlib.sha256(row.nonce.encode()).hexdigest()}"

    def post(self, connection, answer: str, state: str | None = None):
        """The provider's page posts to us from its own site: without any cookie of ours."""
        form = {"SAMLResponse": answer, "RelayState": self.state if state is None else state}
        return browser().post(f"/sign-in/company/{connection.id}/acs", form, secure=True)

    def collect(self, connection):
        return self.client.get(f"/sign-in/company/{connection.id}/return", secure=True)


def last_reason(acme) -> str:
    return list_entries(acme, EntryFilter(tag="sso:answer", outcome="refused")).entries[0].details["reason"]


@pytest.mark.strangers
def test_a_provider_that_others_wrote_takes_our_request_and_its_answer_is_taken(asha, connection, saml_provider):
    console = signed_in(asha)
    metadata = console.get(f"/settings/single-sign-on/{connection.id}/metadata", secure=True).content.decode()
    visit = Visit(next="/people")
    answer = saml_provider(metadata, urlsplit(visit.url).query, ASHA)
    assert "error" not in answer, answer
    kept = visit.post(connection, answer["SAMLResponse"], answer["RelayState"])
    assert (kept.status_code, kept["Location"]) == (303, f"/sign-in/company/{connection.id}/return")
    assert visit.collect(connection)["Location"] == "/sign-in/code"
    assert visit.client.session["half_way_in"]["next"] == "/people"
    forged = urlsplit(visit.url).query.replace("RelayState=", "RelayState=x")
    assert "error" in saml_provider(metadata, forged, ASHA), "our request is signed, so that it can be"


def test_an_answer_made_by_hand_is_taken_when_all_of_it_is_right(asha, connection, saml_keys):
    """Or every refusal below could be for some other reason."""
    for what in ("Assertion",):
        visit = Visit()
        answer = posted(signed(response(connection, visit.asked), saml_keys[1], what=what))
        assert visit.post(connection, answer).status_code == 303
        assert visit.collect(connection)["Location"] == "/sign-in/code"


def test_an_answer_opens_nothing_in_another_browser_and_only_once(asha, connection, saml_keys):
    """Login CSRF: an attacker may post an answer of their own, but only their own browser began that sign-in."""
    visit, victim = Visit(), Visit()
    visit.state, visit.asked, mine = victim.state, victim.asked, visit  # the attacker's answer, the victim's browser
    answer = posted(signed(response(connection, visit.asked), saml_keys[1]))
    assert visit.post(connection, answer).status_code == 303
    assert mine.collect(connection).status_code == 404
    assert browser().get(f"/sign-in/company/{connection.id}/return", secure=True).status_code == 404
    assert victim.collect(connection).status_code == 302
    assert victim.collect(connection).status_code == 404


def test_an_answer_is_taken_once_even_by_another_request_and_another_process(acme, asha, connection, saml_keys):
    visit = Visit()
    answer = posted(signed(response(connection, visit.asked), saml_keys[1]))
    assert visit.post(connection, answer).status_code == 303
    assert visit.post(connection, answer).status_code == 404, "the sign-in was answered"
    again = SingleSignOn.objects.get(state=hashlib.sha256(visit.state.encode()).digest())
    SingleSignOn.objects.filter(id=again.id).update(answered_at=None)
    assert visit.post(connection, answer).status_code == 401, "and the assertion is remembered by itself"
    assert last_reason(acme) == "replayed"
    assert SeenAssertion.objects.get().expires_at > now()


def test_nobody_comes_in_unasked(asha, connection, saml_keys):
    """Sign-in that the provider begins is off: there is no request that the answer could name."""
    answer = posted(signed(response(connection, ""), saml_keys[1]))
    for state in ("", "https://evil.test/", "guessed"):
        page = browser().post(
            f"/sign-in/company/{connection.id}/acs", {"SAMLResponse": answer, "RelayState": state}, secure=True
        )
        assert page.status_code == 404
        assert "Location" not in page


WRONG = {
    "another audience": {"audience": "https://localhost:8443/sign-in/company/other"},
    "no audience": {"audience": ""},
    "another recipient": {"recipient": "https://evil.test/acs"},
    "a recipient that contains ours": {"recipient": "https://evil.test/?{acs}"},
    "no recipient": {"recipient": ""},
    "another destination": {"destination": "https://evil.test/acs"},
    "another request": {"asked": "_other", "in_response_to": "_other"},
    "another request in the signed part": {"in_response_to": "_other"},
    "no request in the signed part": {"in_response_to": ""},
    "another issuer": {"issuer": "https://id.bolt.example.com/saml"},
    "over": {"until": "2020-01-01T00:00:00Z"},
    "confirmation over": {"confirmed_until": "2020-01-01T00:00:00Z"},
    "confirmation without an end": {"confirmed_until": ""},
    "not yet": {"since": "2099-01-01T00:00:00Z", "until": "2099-01-02T00:00:00Z"},
    "holder of key": {"method": "holder-of-key"},
    "another domain": {"email": "asha@bolt.example.com"},
    "no address": {"email": "asha"},
    "a comment in the address": {"email": "asha@acme.example.com<!---->.evil.test"},
}


def test_an_answer_that_is_not_wholly_right_lets_nobody_in(acme, asha, connection, saml_keys):
    for name, wrong in WRONG.items():
        visit = Visit()
        values = {key: value.replace("{acs}", connection.acs_url) for key, value in wrong.items()}
        visit.post(connection, posted(signed(response(connection, visit.asked, **values), saml_keys[1])))
        assert visit.collect(connection).status_code in (401, 404), name
        assert last_reason(acme)


def test_what_is_not_signed_or_weakly_or_by_somebody_else_lets_nobody_in(acme, asha, connection, saml_keys, tmp_path):
    other = tmp_path / "other.pem"
    other.write_bytes(saml.new_key_pair("id.acme.example.com")[0])
    right = saml_keys[1]

    def stripped(text):
        document = signed(text, right)
        for signature in list(document.iter(f"{DS}Signature")):
            signature.getparent().remove(signature)
        return document

    forgeries = {
        "not at all": lambda text: text,
        "stripped": stripped,
        "another key": lambda text: signed(text, other),
        "SHA-1": lambda text: signed(text, right, method=xmlsec.Transform.RSA_SHA1, digest=xmlsec.Transform.SHA1),
        "SHA-1 digest": lambda text: signed(text, right, digest=xmlsec.Transform.SHA1),
        "the response alone": lambda text: signed(text, right, what="Response"),
    }
    for name, forge in forgeries.items():
        visit = Visit()
        refused = visit.post(connection, posted(forge(response(connection, visit.asked))))
        assert refused.status_code == 401, name
        assert visit.collect(connection).status_code == 404


def _changed(document):
    document.find(f".//{SAML}NameID").text = "owner@acme.example.com"
    return document


def _evil(document):
    evil = copy.deepcopy(document.find(f"{SAML}Assertion"))
    evil.remove(evil.find(f"{DS}Signature"))
    evil.set("ID", "_evil")
    evil.find(f".//{SAML}NameID").text = "owner@acme.example.com"
    return evil


def _evil_first(document):
    document.insert(list(document).index(document.find(f"{SAML}Assertion")), _evil(document))
    return document


def _evil_last(document):
    document.append(_evil(document))
    return document


def _evil_around(document):
    """The signed assertion is moved inside the forged one, where its reference is still found."""
    evil, honest = _evil(document), document.find(f"{SAML}Assertion")
    document.replace(honest, evil)
    evil.append(honest)
    return document


def _evil_with_its_signature(document):
    """The forged assertion wears the signature, which refers to the honest one kept inside it (XSW 4, 7)."""
    evil, honest = _evil(document), document.find(f"{SAML}Assertion")
    signature = honest.find(f"{DS}Signature")
    document.replace(honest, evil)
    evil.insert(1, signature)
    etree.SubElement(signature, f"{DS}Object").append(honest)
    return document


def _evil_same_id(document):
    evil, honest = _evil(document), document.find(f"{SAML}Assertion")
    evil.set("ID", honest.get("ID"))
    document.insert(list(document).index(honest), evil)
    return document


@pytest.mark.parametrize(
    "wrap", [_changed, _evil_first, _evil_last, _evil_around, _evil_with_its_signature, _evil_same_id]
)
def test_a_wrapped_signature_carries_nobody_in(acme, asha, connection, saml_keys, wrap):
    hire_at(acme.customer_id, "owner@acme.example.com")
    visit = Visit()
    document = wrap(signed(response(connection, visit.asked), saml_keys[1]))
    assert visit.post(connection, posted(document)).status_code == 401
    assert visit.collect(connection).status_code == 404


def test_entities_and_document_types_are_not_even_read(acme, asha, connection, saml_keys, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("asha@acme.example.com")
    for declared in (f'<!ENTITY x SYSTEM "file://{secret}">', '<!ENTITY x "asha@acme.example.com">', ""):
        visit = Visit()
        text = response(connection, visit.asked, **({"email": "&x;"} if declared else {}))
        answer = posted(f"<!DOCTYPE r [{declared}]>{text}")
        assert visit.post(connection, answer).status_code == 401
        assert last_reason(acme) == "document_type"
    for junk in ("", "not base64!", posted("not XML"), posted("<a/>"), posted("<a>" * 5000)):
        visit = Visit()
        assert visit.post(connection, junk).status_code == 401


def test_a_provider_may_carry_two_certificates_while_it_changes_them(acme, asha, connection, saml_keys, tmp_path):
    private, following = saml.new_key_pair("id.acme.example.com")
    (tmp_path / "next.pem").write_bytes(private)
    change = {
        "name": "Acme", "domains": "acme.example.com", "entity_id": connection.issuer,
        "sign_in_url": connection.sign_in_url,
    }  # fmt: skip
    connecting.edit_saml(OPERATOR, acme.customer_id, connection.id, certificates=saml_keys[2] + following, **change)
    Connection.objects.update(tested_at=now())
    for key in (saml_keys[1], tmp_path / "next.pem"):
        visit = Visit()
        assert visit.post(connection, posted(signed(response(connection, visit.asked), key))).status_code == 303
    with pytest.raises(connecting.Invalid):
        connecting.edit_saml(OPERATOR, acme.customer_id, connection.id, certificates="nonsense", **change)


def test_an_answer_for_one_connection_fits_no_other(acme, bolt, asha, connection, saml_keys):
    """Even where two customers use the same provider with the same key."""
    mallorys = connect_saml(bolt.customer_id, saml_keys[2], "bolt.example.com")
    visit = Visit()
    answer = posted(signed(response(mallorys, visit.asked), saml_keys[1]))
    assert visit.post(mallorys, answer).status_code == 404
    assert visit.post(connection, answer).status_code == 401
    assert visit.collect(connection).status_code == 404


def test_what_was_kept_for_a_browser_is_kept_for_two_minutes(asha, connection, saml_keys):
    visit = Visit()
    visit.post(connection, posted(signed(response(connection, visit.asked), saml_keys[1])))
    with held(in_future(minutes=3)):
        assert visit.collect(connection).status_code == 404


def test_old_sign_ins_and_assertions_are_forgotten(asha, connection, saml_keys):
    from misentinel.teammates.jobs import forget_what_ended

    visit = Visit()
    visit.post(connection, posted(signed(response(connection, visit.asked), saml_keys[1])))
    with held(now() + timedelta(hours=1)):
        forget_what_ended()
    assert (SingleSignOn.objects.count(), SeenAssertion.objects.count()) == (0, 0)


def test_an_oidc_connection_takes_no_saml(acme, hostile):
    hostile.behave()
    made = connect_oidc(acme.customer_id, hostile.issuer, "acme.example.com")
    form = {"SAMLResponse": "x", "RelayState": "y"}
    assert browser().post(f"/sign-in/company/{made.id}/acs", form, secure=True).status_code == 404
