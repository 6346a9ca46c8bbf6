"""What programs talk to: ingestion in Segment's protocol, and a REST API to read with a token."""
