"""Single sign-on under settings: connections, their test, and what may be handed out through them."""

from misentinel.web.console.pages.single_sign_on import adding, changing, provisioning, reading

__all__ = ["adding", "changing", "provisioning", "reading"]
