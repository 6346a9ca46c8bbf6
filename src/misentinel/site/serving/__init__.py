"""How the program is served: certificates, TLS, web server, redirect from plain HTTP, and the supervisor.

Promises TLS 1.2 and 1.3 with 256-bit suites and forward secrecy only, HSTS on every answer, a redirect and
nothing else on plain HTTP, and that whatever was started is stopped.
"""
