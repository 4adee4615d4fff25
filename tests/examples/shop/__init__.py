"""Tests of the synthetic shop.

The world's determinism, its answer key and its scorecard are tested here, the files against the real landing reader.
What the lakehouse makes of them is not: that is for the tests of the lakehouse.
"""
