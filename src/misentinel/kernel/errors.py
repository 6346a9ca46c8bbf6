"""Errors a person can act on: one clear sentence, an exit code for the terminal, a status for HTTP (RFC 9457)."""

from __future__ import annotations


class MiSentinelError(Exception):
    """The base of every error that is told to a person. Its message says what is wrong and what to do."""

    code = "error"
    status = 500
    exit_code = 1

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Invalid(MiSentinelError):
    """The input cannot be used as it is."""

    code = "invalid"
    status = 422
    exit_code = 2


class Malformed(Invalid):
    """The input could not even be read."""

    code = "malformed"
    status = 400


class TooLarge(Invalid):
    code = "too_large"
    status = 413


class NotAccepted(Invalid):
    """The body is of a kind that is not taken here."""

    code = "not_accepted"
    status = 415


class NotFound(MiSentinelError):
    """There is no such thing, or it belongs to somebody else: the two are told alike."""

    code = "not_found"
    status = 404
    exit_code = 3


class Conflict(MiSentinelError):
    """The thing is in a state that does not allow this."""

    code = "conflict"
    status = 409
    exit_code = 4


class NotSignedIn(MiSentinelError):
    code = "not_signed_in"
    status = 401
    exit_code = 5


class Refused(MiSentinelError):
    """The actor is known and may not do this."""

    code = "refused"
    status = 403
    exit_code = 5


class NotAllowed(Refused):
    """The URL exists, and not for this method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, message: str, methods: list[str]) -> None:
        super().__init__(message, methods=methods)
        self.methods = methods


class TooMany(MiSentinelError):
    """Come back after `retry_after` seconds."""

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, retry_after=retry_after)
        self.retry_after = retry_after


class Misconfigured(MiSentinelError):
    """A setting is unknown, missing or impossible."""

    code = "misconfigured"
    exit_code = 78  # EX_CONFIG of sysexits.h


class Unavailable(MiSentinelError):
    """Something this needs cannot be reached right now."""

    code = "unavailable"
    status = 503
    exit_code = 69  # EX_UNAVAILABLE of sysexits.h


class StoreNotNamed(MiSentinelError):
    """A query on a store's models did not say whose store. Never answered, always a defect."""

    code = "store_not_named"


class Tampered(MiSentinelError):
    """A sealed value does not open: wrong key, wrong place, or changed."""

    code = "tampered"


class Erased(MiSentinelError):
    """The person's key was destroyed; nothing can be sealed or opened for them again."""

    code = "erased"
    status = 410
