"""The formats of a verifiable log (C2SP): Merkle trees, tiles, signed notes, checkpoints and proofs. Pure."""
