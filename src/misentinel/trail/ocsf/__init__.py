"""The trail in the vocabulary that others read: OCSF 1.8 (Open Cybersecurity Schema Framework)."""

from __future__ import annotations

from misentinel.trail.ocsf.events import Row, class_of, to_ocsf
from misentinel.trail.ocsf.vocabulary import CLASSES, MEANINGS, VERSION, EventClass, Meaning, Severity

__all__ = ["CLASSES", "MEANINGS", "VERSION", "EventClass", "Meaning", "Row", "Severity", "class_of", "to_ocsf"]
