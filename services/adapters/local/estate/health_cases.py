"""Cases of the two health models: a person's coming year, judged from what was recorded in the years before.

The data knows years, not days. Cases keep their recorded order (year, then place in the file) and are spread evenly
over the workspace's days; see `placed.py`. The same year's visits never enter a feature of that year.
"""

from __future__ import annotations

from functools import cache

import pandas as pd

from services.adapters.local.estate import data

HIGH_USE_VISITS = 6
FIRST_CLAIM_YEAR = 1985
"""1984 only tells about the year before."""
FIRST_PLAN_YEAR = 2
"""A person's first year only tells about the year before."""


@cache
def claim_cases() -> pd.DataFrame:
    """One row per person and year from 1985 on, oldest first: features, label (6 visits or more that year)."""
    years = data.visits()
    before = years[["id", "year", "docvis", "hospvis"]].assign(year=years["year"] + 1)
    joined = years.merge(before, on=["id", "year"], how="left", suffixes=("", "_before"))
    joined = joined.loc[joined["year"] >= FIRST_CLAIM_YEAR].sort_values("year", kind="stable", ignore_index=True)
    facts = ["age", "female", "married", "kids", "educ", "outwork", "self", "hhninc"]
    return pd.DataFrame(
        {
            "label": (joined["docvis"] >= HIGH_USE_VISITS).astype("float64"),
            "entity": "member-" + joined["id"].astype(str).str.zfill(5),
            "year": joined["year"],
            "hospital_days_seen_later": joined["hospvis"].astype("float64"),
            **{name: joined[name].astype("float64") for name in facts},
            "prior_known": joined["docvis_before"].notna().astype("float64"),
            "prior_docvis": joined["docvis_before"].astype("float64"),
            "prior_hospvis": joined["hospvis_before"].astype("float64"),
        }
    )


@cache
def plan_cases() -> pd.DataFrame:
    """One row per person and year from the second on, ordered by year: features, label (outpatient visits)."""
    years = data.contacts()
    before = years[["person", "year", "mdu"]].assign(year=years["year"] + 1).rename(columns={"mdu": "prior_visits"})
    joined = years.merge(before, on=["person", "year"], how="inner").sort_values(
        "year", kind="stable", ignore_index=True
    )
    numbers = ["lc", "idp", "lpi", "fmde", "physlim", "ndisease", "linc", "lfam", "educdec", "age", "child"]
    return pd.DataFrame(
        {
            "label": joined["mdu"].astype("float64"),
            "entity": "enrollee-" + joined["person"].astype(str).str.zfill(5),
            "year": joined["year"],
            "black": joined["black"].astype("float64"),
            **{name: joined[name].astype("float64") for name in numbers},
            "health": joined["health"].astype(str),
            "sex": joined["sex"].astype(str),
            "prior_visits": joined["prior_visits"].astype("float64"),
        }
    )
