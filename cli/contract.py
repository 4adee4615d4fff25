"""`lakehouse contract`: the contracts of the tables.

Belongs here: the group of commands. What columns that drifted add to a contract is ``drift``'s matter.
"""

from __future__ import annotations

from cli import console
from cli.drift import accept_columns, propose_columns

app = console.group("Take up what files bring that no contract has yet.")

app.command("propose")(propose_columns)
app.command("accept")(accept_columns)
