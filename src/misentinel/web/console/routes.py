"""The console's routes: every page registers here with what it needs and the tag that tells of it."""

from __future__ import annotations

from misentinel.web.gate import Edge, Routes

routes = Routes(Edge.CONSOLE)
