"""The local endpoint: one gateway process in front of one scoring process per model version."""
