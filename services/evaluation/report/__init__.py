"""The evaluation report as a document: built, checked against its published schema, read, and shown as one page."""
