"""Evidence about a version that passes every gate of tier 1; each test breaks one thing of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.policy.evidence import (
    AvailabilityFact,
    CheckFact,
    DatasetFact,
    Evidence,
    IntervalFact,
    OwnerFact,
    SliceFact,
    SuspectFact,
)


def evidence(**changes: Any) -> Evidence:
    good = Evidence(
        model="m",
        version="2",
        task="classification",
        base="1",
        run_id="run2",
        created_at="2030-01-01T00:00:00Z",
        source="models:/m-2",
        metrics=(
            ("holdout_auc", "0.74"),
            ("baseline_auc", "0.6"),
            ("holdout_ece", "0.02"),
            ("holdout_calibration_gap", "-0.01"),
            ("holdout_n", "5000"),
            ("served_p95_ms", "40"),
            ("served_error_rate", "0"),
            ("unsafe_files", "0"),
            ("unpinned_dependencies", "0"),
            ("signature_problems", "0"),
            ("reproduced_difference", "0"),
            ("robust_missing_drop", "0.08"),
            ("holdout_age_days", "3"),
        ),
        base_metrics=(("holdout_auc", "0.73"),),
        datasets=(
            DatasetFact(name="d", digest="aa", context="training"),
            DatasetFact(name="d", digest="bb", context="holdout"),
        ),
        inputs=("distance",),
        outputs=("score",),
        has_input_example=True,
        documentation=tuple(
            (name, "written")
            for name in (
                "purpose",
                "label",
                "limits_of_use",
                "fallback",
                "owner_business",
                "owner_sre",
                "service_level",
            )
        ),
        sensitive=(),
        manifest_sha256="a" * 64,
        evaluation_sha256="b" * 64,
        policy_sha256="c" * 64,
        slices=(
            SliceFact(attribute="carrier", group="UA", n=3000, rate="0.2", tpr="0.6"),
            SliceFact(attribute="carrier", group="AA", n=1500, rate="0.19", tpr="0.58"),
        ),
        suspects=(SuspectFact(feature="distance", auc="0.6"),),
        availability=(AvailabilityFact(feature="distance", available=True),),
        latency_limit_ms="150",
        owners=(
            OwnerFact(role="business_owner", name="Ben Okafor", active=True),
            OwnerFact(role="sre", name="Sam Lindqvist", active=True),
        ),
        metadata_percent="100",
        measured="model",
        measured_manifest="a" * 64,
        intervals=(IntervalFact(metric="holdout_auc", low="0.72", high="0.76", method="DeLong"),),
        checks=tuple(
            CheckFact(id=name, status="done", sentence="Measured.")
            for name in (
                "files",
                "signature",
                "data",
                "performance",
                "missing",
                "latency",
                "leakage",
                "reproducibility",
            )
        ),
    )
    return replace(good, **changes)
