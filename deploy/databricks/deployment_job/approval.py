# Databricks notebook source
"""Passes when the version carries the tag that a complete approval sets, and fails otherwise."""

from databricks.sdk import WorkspaceClient

name = dbutils.widgets.get("model_name")  # noqa: F821 - given by the platform
version = dbutils.widgets.get("model_version")  # noqa: F821
key = dbutils.widgets.get("approval_tag_name")  # noqa: F821

found = WorkspaceClient().api_client.do(
    "GET", "/api/2.0/mlflow/unity-catalog/model-versions/get", query={"name": name, "version": version}
)["model_version"]
tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
if tags.get(key, "").lower() != "approved":
    raise RuntimeError(f"{name} version {version} is not approved: ask for it in Countersign.")
