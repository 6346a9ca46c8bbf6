"""The archive: sealed entries as Parquet in a folder or on S3, locked for as long as they are kept, each with a
manifest.

It promises that every entry below `ArchiveHead.size` is in exactly one object whose manifest says so, and that the
log can be verified from these objects and the log's keys alone.
"""
