"""The switch between plans and the JVM: an engine's word outlasts a moment of lineage."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait

from lakehouse.engines.connect_mode import VARIABLE, switch_off, switch_on, switched_on


def test_an_engine_that_starts_while_a_plan_is_made_keeps_its_switch(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")  # so that it is afterwards as it was
    switch_off()
    with ThreadPoolExecutor(1) as engine:
        with switched_on():
            started = engine.submit(switch_on)
            assert wait([started], timeout=0.2).not_done == {started}
        started.result()
    assert os.environ[VARIABLE] == "1"


def test_after_a_moment_it_is_as_it_was(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    switch_off()
    with switched_on():
        assert os.environ[VARIABLE] == "1"
    assert VARIABLE not in os.environ
