"""CI runs every test once, in jobs by room, and each week at the full dose."""

from __future__ import annotations

import yaml

from tests.processes import PROJECT

WORKFLOWS = PROJECT / ".github" / "workflows"


def jobs(name: str) -> dict[str, dict]:
    return yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8"))["jobs"]


def test_the_jobs_of_the_rooms_run_every_test_file_once():
    run = [
        file
        for room in jobs("ci")["test"]["strategy"]["matrix"]["include"]
        for pattern in room["tests"].split()
        for place in PROJECT.glob(pattern)
        for file in ([place] if place.is_file() else place.rglob("test_*.py"))
    ]
    assert sorted(run) == sorted((PROJECT / "tests").rglob("test_*.py"))


def test_every_job_ends_in_a_time_that_is_set():
    for name in ("ci", "long"):
        assert all(job["timeout-minutes"] <= 300 for job in jobs(name).values())


def test_the_full_dose_is_run_every_week():
    (job,) = jobs("long").values()
    assert job["steps"][-1]["run"] == ".ci/run test-long"
