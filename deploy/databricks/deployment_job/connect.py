"""Connects a deployment job to a model: `python connect.py main.claims.score 1234`. The caller must own the model."""

import sys

from mlflow import MlflowClient

if __name__ == "__main__":
    model, job = sys.argv[1:3]
    MlflowClient("databricks", "databricks-uc").update_registered_model(model, deployment_job_id=job)
    print(f"New versions of {model} start job {job}.")
