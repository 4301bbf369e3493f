# Databricks notebook source
"""Loads the version once, so that a broken one never reaches an approval. Add your own checks below."""

import mlflow

name = dbutils.widgets.get("model_name")  # noqa: F821 - given by the platform
version = dbutils.widgets.get("model_version")  # noqa: F821
mlflow.set_registry_uri("databricks-uc")
mlflow.pyfunc.load_model(f"models:/{name}/{version}")
