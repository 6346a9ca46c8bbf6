"""The pages. Each view parses, calls one query or action, and renders; what is permitted is the gate's business."""
