# Databricks notebook source
"""What has to happen after the approval besides traffic: traffic itself is moved by Countersign, step by step."""

name = dbutils.widgets.get("model_name")  # noqa: F821 - given by the platform
version = dbutils.widgets.get("model_version")  # noqa: F821
print(f"{name} version {version} is approved.")
