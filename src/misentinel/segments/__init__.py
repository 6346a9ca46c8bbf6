"""Segments: named rules about people, answered by the database over tokens, so that asking opens nobody's document.

Promises that membership is computed when it is asked for, from what is committed; and that a rule, which may quote an
address, rests sealed.
"""
