"""AdamW as BERT is fine-tuned with it: warm-up, linear decay, no decay of biases and normalization."""

import tensorflow as tf


class WarmupLinearDecay(tf.keras.optimizers.schedules.LearningRateSchedule):
    """0 -> peak over the warm-up, then in a straight line to 0 at the last step.

    https://arxiv.org/abs/1810.04805, appendix A.2.
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int):
        self._peak, self._total, self._warmup = peak, total_steps, warmup_steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rising = (step + 1) / max(self._warmup, 1)
        falling = (self._total - step) / max(self._total - self._warmup, 1)
        return self._peak * tf.maximum(0.0, tf.minimum(rising, falling))

    def get_config(self) -> dict:
        return {"peak": self._peak, "total_steps": self._total, "warmup_steps": self._warmup}


def adamw(
    learning_rate, weight_decay: float, clip_norm: float
) -> tf.keras.optimizers.Optimizer:
    """AdamW (https://arxiv.org/abs/1711.05101) with BERT's constants.

    Weight decay leaves out biases, layer normalization and nothing else, found by the variables'
    names; gradients are clipped to `clip_norm` over all variables together.
    """
    optimizer = tf.keras.optimizers.AdamW(
        learning_rate,
        weight_decay=weight_decay,
        epsilon=1e-6,
        global_clipnorm=clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "layer_norm", "LayerNorm"])
    return optimizer
