"""No route without a declared permission, and no method that no route declares."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from misentinel.kernel.errors import Misconfigured
from misentinel.site import urls
from misentinel.web.gate import check_routes
from tests.permissions.test_matrix import METHODS, fill, send


def test_other_methods_reach_no_view() -> None:
    declared = defaultdict(set)
    for declaration in urls.DECLARATIONS:
        declared[declaration.path].add(declaration.method)
    for url, methods in declared.items():
        for method in set(METHODS) - methods - ({"HEAD"} if "GET" in methods else set()):
            assert send(Client(), method, fill(url)).status_code == 405, (method, url)


@pytest.mark.parametrize("nested", [False, True])
def test_a_route_without_a_declared_permission_stops_the_start(nested: bool) -> None:
    def leak(request: HttpRequest) -> HttpResponse:
        return HttpResponse("everything")

    planted = path("leak", leak)
    with pytest.raises(Misconfigured, match="leak"):
        check_routes([*urls.urlpatterns, path("inner/", include([planted])) if nested else planted])


def test_the_urls_cannot_even_be_imported_with_such_a_route() -> None:
    source = Path(urls.__file__).read_text()
    planted = 'from django.urls import path\nurlpatterns.append(path("leak", lambda request: None))\nDECLARATIONS ='
    assert source.count("\nDECLARATIONS =") == 1
    with pytest.raises(Misconfigured, match="leak"):
        exec(compile(source.replace("DECLARATIONS =", planted), urls.__file__, "exec"), {"__name__": "planted"})
