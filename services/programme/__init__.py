"""The first ninety days of a use case: tasks that close by evidence alone, and who is responsible for what."""
