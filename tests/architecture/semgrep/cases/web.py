# Code that is never run: what the rules must find, and what they must leave alone.
import hashlib
import hmac
import os
import subprocess

# ruleid: outgoing-through-the-guard
import requests
# ruleid: outgoing-through-the-guard
import urllib.request
# ruleid: outgoing-through-the-guard
from http.client import HTTPSConnection
# ruleid: no-random-for-secrets
import random
# ruleid: no-code-from-data
import pickle
# ok: outgoing-through-the-guard
from urllib.parse import urlsplit
# ok: no-random-for-secrets
import secrets

from django.db.models.expressions import RawSQL
from django.http import HttpResponseRedirect
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
# ruleid: no-exemption-from-csrf
from django.views.decorators.csrf import csrf_exempt
# ok: no-exemption-from-csrf
from django.views.decorators.csrf import csrf_protect


def calls(url, socket):
    # ruleid: outgoing-through-the-guard
    socket.create_connection((url, 443))
    # ok: outgoing-through-the-guard
    return fetch(url)


def markup(name):
    # ruleid: no-text-called-safe
    bad = mark_safe("<b>" + name)
    # ruleid: no-text-called-safe
    worse = format_html(f"<b>{name}</b>")
    # ok: no-text-called-safe
    return format_html("<b>{}</b>", name)


def raw(Person, name):
    # ruleid: no-raw-queries, no-models-at-the-edges
    Person.objects.raw("SELECT 1")
    # ruleid: no-raw-queries, no-models-at-the-edges
    Person.objects.filter(name=name).extra(where=["1=1"])
    # ruleid: no-raw-queries
    RawSQL("1", [])
    # ok: no-raw-queries, no-models-at-the-edges
    return list_people(name=name)


def statements(cursor, name):
    # ruleid: no-sql-from-strings
    cursor.execute(f"SELECT '{name}'")
    # ruleid: no-sql-from-strings
    cursor.execute("SELECT '%s'" % name)
    # ruleid: no-sql-from-strings
    cursor.execute("SELECT " + name)
    query = f"SELECT {name}"
    # ruleid: no-sql-from-strings
    cursor.execute(query)
    # ok: no-sql-from-strings
    cursor.execute("SELECT %s", [name])


def certificates(ssl, client, url):
    # ruleid: no-certificate-left-unverified
    client.get(url, verify=False)
    # ruleid: no-certificate-left-unverified
    ssl._create_unverified_context()
    # ok: no-certificate-left-unverified
    context = ssl.create_default_context()
    # ruleid: no-certificate-left-unverified
    context.check_hostname = False
    # ruleid: no-certificate-left-unverified
    context.verify_mode = ssl.CERT_NONE


def onward(request):
    target = request.GET.get("next", "/")
    # ruleid: no-redirect-to-what-a-user-says
    return HttpResponseRedirect(target)


def onward_at_once(request):
    # ruleid: no-redirect-to-what-a-user-says
    return HttpResponseRedirect(request.POST["next"])


def onward_when_ours(request):
    target = request.GET.get("next", "/")
    if url_has_allowed_host_and_scheme(target, None):
        # ok: no-redirect-to-what-a-user-says
        return HttpResponseRedirect(target)
    # ok: no-redirect-to-what-a-user-says
    return HttpResponseRedirect("/")


def proofs(key, text, given, signature, count):
    # ruleid: secrets-compared-in-constant-time
    if hmac.new(key, text, "sha256").hexdigest() == given:
        return True
    # ruleid: secrets-compared-in-constant-time
    if signature == given:
        return True
    # ok: secrets-compared-in-constant-time
    if signature == "":
        return False
    # ok: secrets-compared-in-constant-time
    if count == given:
        return False
    # ok: secrets-compared-in-constant-time
    return hmac.compare_digest(hmac.new(key, text, "sha256").digest(), given)


def programs(name):
    # ruleid: no-shell
    os.system("ls " + name)
    # ruleid: no-shell
    subprocess.run("ls " + name, shell=True)
    # ok: no-shell
    subprocess.run(["ls", name])
    # ruleid: no-code-from-data
    eval(name)
    # ok: no-code-from-data
    int(name)


def digests(text):
    # ruleid: no-weak-digest
    hashlib.md5(text)
    # ruleid: no-weak-digest
    hashlib.new("sha1", text)
    # ok: no-weak-digest
    hashlib.sha256(text)


def cookies(response):
    # ruleid: no-cookie-by-hand
    response.set_cookie("theme", "dark")
    # ok: no-cookie-by-hand
    response.headers["X-Theme"] = "dark"


def addresses(request):
    # ruleid: no-belief-in-forwarding-headers
    address = request.META.get("HTTP_X_FORWARDED_FOR", "")
    # ruleid: no-belief-in-forwarding-headers
    address = request.headers.get("X-Forwarded-For")
    # ok: no-belief-in-forwarding-headers
    return request.META.get("REMOTE_ADDR", "")
