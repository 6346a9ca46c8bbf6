"""No route takes a file, so none is taken: whoever sends one is refused before a byte of it is kept.

Where a body is read at all, `NoFiles` refuses a file in it. The gate does not even read one of the kind that carries
files; it lets it through on public routes alone, since one click to unsubscribe may come so (RFC 8058, 3.1).

Without this Django would write files of any size to the disk for whoever sends a form, signed in or not, before a view
is asked.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousMultipartForm
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from misentinel.kernel.errors import NotAccepted


def is_multipart(request: HttpRequest) -> bool:
    """Whether the body is of the kind that carries files."""
    return (request.content_type or "").lower().startswith("multipart/")


def refuse_files() -> NoReturn:
    raise NotAccepted("No files are taken here; send application/x-www-form-urlencoded or JSON.")


class NoFiles(FileUploadHandler):
    """Django's only upload handler here (`FILE_UPLOAD_HANDLERS`). What it raises is answered with 413 or 400."""

    def handle_raw_input(
        self, input_data: Any, META: dict[str, str], content_length: int, boundary: str, encoding: str | None = None
    ) -> None:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if limit is not None and content_length > limit:
            raise RequestDataTooBig("The body of a form is larger than a form may be.")

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise SuspiciousMultipartForm("A form brought a file.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> NoReturn:
        raise SuspiciousMultipartForm("A form brought a file.")

    def file_complete(self, file_size: int) -> None:
        return None
