"""The console: the pages that teammates work in, rendered on the server.

Promises that a page runs no script and applies no style but our own files, that nothing personal is shown
without a permission and an entry on the trail, and that every form can be used from the keyboard.
It is not the public site, and it holds no rules: a view parses, calls one action or query, and renders.
"""
