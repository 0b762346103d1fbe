"""AdamW as BERT is fine-tuned with it: warm-up, linear decay, no decay of biases and normalization."""

import tensorflow as tf

HEAD = "logits"  # what the names of the head's variables begin with


class WarmupLinearDecay(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises from 0 to its peak in the warm-up, then falls linearly to 0.

    https://arxiv.org/abs/1810.04805, appendix A.2.
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int):
        self._peak, self._total, self._warmup = peak, total_steps, warmup_steps

    def __call__(self, step):
        """Returns the learning rate of a step, counted from 0."""
        step = tf.cast(step, tf.float32)
        rising = (step + 1) / max(self._warmup, 1)
        falling = (self._total - step) / max(self._total - self._warmup, 1)
        return self._peak * tf.maximum(0.0, tf.minimum(rising, falling))

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {"peak": self._peak, "total_steps": self._total, "warmup_steps": self._warmup}


class AdamW(tf.keras.optimizers.AdamW):
    """Keras' AdamW (https://arxiv.org/abs/1711.05101) with one fused kernel for each variable.

    Keras composes the update of about fifteen operations, each of which passes over all parameters: a
    seventh of a step's time on a CPU. It composes the decay of three; here it is one. The values are the
    same. The class overrides and uses private names of Keras', which tests/test_private_names.py checks.

    Attributes:
      head_scale: the head's learning rate, in multiples of the encoder's.
    """

    head_scale = 1.0

    def _clip_gradients(self, grads):
        # A sparse gradient lists a token once for each occurrence; the norm has to be that of the sums.
        return super()._clip_gradients(self._deduplicate_sparse_grad(grads))

    def _apply_weight_decay(self, variables):
        """Does nothing: `update_step` decays the weights."""

    def update_step(self, gradient, variable):
        """Updates one variable, its decay included."""
        index = self._index_dict[self._var_key(variable)]
        step = tf.cast(self.iterations + 1, variable.dtype)
        beta_1, beta_2 = (tf.cast(beta, variable.dtype) for beta in (self.beta_1, self.beta_2))
        if self._use_weight_decay(variable):
            variable.assign(variable * (1.0 - self.learning_rate * self.weight_decay))
        is_head = variable.name.startswith(HEAD)
        learning_rate = self.learning_rate * (self.head_scale if is_head else 1.0)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.convert_to_tensor(gradient),
        )


def adamw(learning_rate, weight_decay: float, max_gradient_norm: float, head_scale: float) -> AdamW:
    """Makes AdamW with BERT's constants.

    Biases and layer normalization, found by their variables' names, are not decayed. Gradients are
    clipped to `max_gradient_norm` over all variables together. The head's learning rate is `head_scale`
    times the encoder's.
    """
    optimizer = AdamW(
        learning_rate, weight_decay=weight_decay, epsilon=1e-6, global_clipnorm=max_gradient_norm
    )
    optimizer.head_scale = head_scale
    optimizer.exclude_from_weight_decay(var_names=["bias", "layer_norm", "LayerNorm"])
    return optimizer
