"""Rule testing: profiles of a table, injected faults, and rules tried on past partitions.

Belongs here: what tells whether a rule is worth having, before it is deployed. What a rule is belongs in
``contracts``.
"""
