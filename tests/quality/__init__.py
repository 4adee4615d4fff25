"""Tests of how rows and days are judged."""
