"""Settings that were renamed: `--set` answers an old name with the new one, old runs are read."""

from collections.abc import Mapping

_RENAMED = {
    "warmup_share": "warmup_ratio",
    "validation_share": "validation_fraction",
    "accumulate": "gradient_accumulation_steps",
    "clip_norm": "max_gradient_norm",
    "patience": "early_stopping_patience",
    "xla": "jit_compile",
    "max_length": "max_seq_length",
    "slice_floors": "slice_bounds",
}


def present_name(setting: str) -> str:
    """Returns the present name of a setting: its own, unless it was renamed."""
    if setting.endswith("_floor"):
        return f"min_{setting.removesuffix('_floor')}"
    if setting.endswith("_margin"):
        return f"max_{setting.removesuffix('_margin')}_drop"
    return _RENAMED.get(setting, setting)


def with_present_names(settings: Mapping[str, object]) -> dict[str, object]:
    """Returns settings that an earlier version wrote, by their present names."""
    return {present_name(name): value for name, value in settings.items()}
