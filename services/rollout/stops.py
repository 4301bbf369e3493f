"""The two ways a step of an action says that it cannot go on."""

from __future__ import annotations

from services.rollout.models import ActionState


class NotYet(Exception):  # noqa: N818 - a pause, not an error
    """Try again soon; nothing is wrong."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Halt(Exception):  # noqa: N818 - a result, not an error
    """The action ends here as `conflict` or `failed`."""

    def __init__(self, state: ActionState, sentence: str) -> None:
        super().__init__(sentence)
        self.state = state
        self.sentence = sentence
