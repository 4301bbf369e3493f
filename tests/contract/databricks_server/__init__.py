"""A workspace on localhost that speaks the part of the REST interface which the real WorkspaceClient calls.

Bodies are read and written with the SDK's own dataclasses, so that a field the SDK does not have is refused here.
Where the real platform's behaviour is not documented, the stricter guess is built in and named in
docs/databricks-serving.md among the things only a workspace can prove.
"""
