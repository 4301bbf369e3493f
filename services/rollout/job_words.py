"""What the ledger and the findings say about deployment jobs, in sentences."""

from __future__ import annotations

from services.rollout.job_models import MOST_REPAIRS, JobRun, Remembered


def waiting(version: str, task: str, run: JobRun) -> str:
    return f"Run {run.run_id} of deployment job {run.job_id} waits at {task} for an approval of version {version}."


def intended(version: str, task: str, run: JobRun) -> str:
    return (
        f"Version {version} is approved: the tag {task} is set and run {run.run_id} of deployment job {run.job_id} is "
        "sent on, with the settings it was first seen with."
    )


def went_on(version: str, task: str, run: JobRun) -> str:
    return f"Run {run.run_id} of deployment job {run.job_id} passed {task} for version {version}."


def unsigned(version: str, task: str, why_not: str) -> str:
    return f"Somebody approved version {version} in the workspace: it carries the tag {task}, and here {why_not}"


def left_over(version: str, task: str, run: JobRun, why_not: str) -> str:
    return (
        f"Run {run.run_id} of deployment job {run.job_id} passed {task} by a tag that was set for an earlier run of "
        f"version {version}, and here {why_not}"
    )


def taken_back(version: str, task: str, why_not: str) -> str:
    return f"The tag {task} of version {version} was taken back before the job went on: {why_not}"


def changed(version: str, run: JobRun, known: Remembered) -> str:
    return (
        f"Deployment job {run.job_id} is not the one that version {version} was evaluated by: its settings were "
        f"{known.settings_sha256[:12]} and are {run.settings_sha256[:12]}. It is not sent on; start a new run of it."
    )


def not_as_signed(version: str, run: JobRun) -> str:
    return (
        f"Deployment job {run.job_id} with settings {run.settings_sha256[:12]} is not what was signed with the "
        f"approval of version {version}. It is not sent on; ask for the approval of this version again."
    )


def stuck(version: str, task: str, run: JobRun) -> str:
    return (
        f"Run {run.run_id} of deployment job {run.job_id} was sent on {MOST_REPAIRS} times and {task} for version "
        f"{version} fails all the same; look at the task's log."
    )
