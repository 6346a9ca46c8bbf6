"""Teammates: the people who work at a customer, how they prove who they are, and what each may do.

Promises: nobody is in without a password and a second factor; a permission that is not written down is not
held; a change of permission, a suspension or a revoked session holds from the next request on; secrets are
shown once and kept only as digests.
"""
