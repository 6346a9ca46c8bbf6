"""The ways out: an SMTP server, or the local mailbox where there is none."""
