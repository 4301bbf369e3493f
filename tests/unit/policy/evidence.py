"""Evidence about a version that passes every gate of tier 1; each test breaks one thing of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.policy.evidence import AvailabilityFact, DatasetFact, Evidence, OwnerFact, SliceFact, SuspectFact


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
            ("probe_p95_ms", "40"),
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
    )
    return replace(good, **changes)
