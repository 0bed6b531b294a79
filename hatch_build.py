"""A step of the wheel's build: `course.toml` goes beside the kit's folders; hatchling moves folders alone."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KitHook(BuildHookInterface):
    """Adds the file to a wheel; an editable install has it where it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it writes."""
        if version == "standard":
            build_data["force_include"]["course.toml"] = "gradus/kit/course.toml"
