"""SCIM 2.0 (RFC 7643, 7644): a company's directory keeps its teammates here up to date.

Only a provisioning key opens it. scim2-models reads and writes the wire format, filters and patches; what a directory
may do is decided in `teammates.actions.provisioning`.
"""
