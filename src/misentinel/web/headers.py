"""The headers that every answer carries. docs/decisions/web-hardening.md says why each is there."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

REPORTS_PATH = "/policy-reports"
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "font-src 'self'",
        "connect-src 'self'", "frame-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
        # static/console/trusted.js is the one policy; no other can be made, and no text becomes markup without it.
        "require-trusted-types-for 'script'", "trusted-types default",
        f"report-uri {REPORTS_PATH}", "report-to policy",
    )
)  # fmt: skip
# What is no page needs nothing, should somebody get a browser to open it as one.
BARE_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# Passkeys, and copying a key or recovery codes.
USED_FEATURES = ("clipboard-write", "publickey-credentials-create", "publickey-credentials-get")
UNUSED_FEATURES = (
    "accelerometer", "aria-notify", "autoplay", "browsing-topics", "camera",
    "captured-surface-control", "clipboard-read", "compute-pressure", "cross-origin-isolated", "deferred-fetch",
    "deferred-fetch-minimal", "digital-credentials-create", "digital-credentials-get", "display-capture",
    "encrypted-media", "fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "identity-credentials-get",
    "idle-detection", "interest-cohort", "keyboard-map", "language-detector", "language-model", "local-fonts",
    "local-network", "local-network-access", "loopback-network", "magnetometer", "media-playback-while-not-visible",
    "microphone", "midi", "on-device-speech-recognition", "otp-credentials", "payment", "picture-in-picture",
    "private-state-token-issuance", "private-state-token-redemption", "screen-wake-lock", "serial",
    "speaker-selection", "storage-access", "summarizer", "sync-xhr", "translator", "unload", "usb",
    "window-management", "xr-spatial-tracking",
)  # fmt: skip
PERMISSIONS_POLICY = ", ".join(
    [f"{feature}=(self)" for feature in USED_FEATURES] + [f"{feature}=()" for feature in UNUSED_FEATURES]
)

_CACHEABLE = {200, 206, 304}  # a static file; one that is not there may be tomorrow


class SecurityHeaders:
    """Middleware. A view may set a stricter policy of its own; nothing here weakens one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        headers = response.headers
        if headers.get("Content-Type", "").startswith("text/html"):
            headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            headers.setdefault("Reporting-Endpoints", f'policy="{REPORTS_PATH}"')
            headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        else:
            headers.setdefault("Content-Security-Policy", BARE_POLICY)
        headers.setdefault("Cross-Origin-Embedder-Policy", "require-corp")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("X-Permitted-Cross-Domain-Policies", "none")
        if not (request.path.startswith("/static/") and response.status_code in _CACHEABLE):
            headers.setdefault("Cache-Control", "no-store")
        return response
