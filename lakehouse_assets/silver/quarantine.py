"""Rows that broke a rule, whole: what was received, the rules they broke, and the file and record they came from.

The runs of the other silver tables write it, whether a day is published or held.
"""

from lakehouse.tables.declarations import QUARANTINE, managed_table

quarantine = managed_table(layout=QUARANTINE)
