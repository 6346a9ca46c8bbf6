"""MiSentinel: customer messaging that can prove it keeps its privacy and security promises."""
