"""Examples: lakes to look at and to learn from, with sample data of their own.

Belongs here: the synthetic shop. Not imported by the library, but by the commands that make sample data.
"""
