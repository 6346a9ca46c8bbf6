"""What identity providers say, and whether to believe it: OpenID Connect and SAML 2.0.

Promises that nothing is believed which the provider of that very connection did not sign, for us, now, and in answer
to what we asked. Who may sign in with it, and that a second factor follows, is decided in `actions`.
"""
