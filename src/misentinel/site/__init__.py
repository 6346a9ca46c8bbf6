"""The only place that knows everything: Django's settings, the URLs, and which handler serves which port."""
