from django.apps import AppConfig


class SegmentsConfig(AppConfig):
    name = "misentinel.segments"
    label = "segments"
    planes = frozenset({"store"})
