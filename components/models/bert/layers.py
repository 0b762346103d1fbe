"""What a BERT layer is made of, faster in training on a CPU than TensorFlow's own."""

import math

import tensorflow as tf

_CALLS = 1 << 40  # more than a replica ever makes


class Dropout:
    """Dropout (Srivastava et al., 2014) from one random byte an element.

    Random numbers are what dropout costs on a CPU; tf.nn.dropout draws four bytes an element. A byte
    is kept if it reaches a threshold, 256 * rate rounded up or down at random so that its mean is
    exact: every element is dropped with probability `rate`. The rounding is drawn for a whole tensor.

    Masks are a function of two numbers and of nothing else, so that a training that was cut off goes on
    with the masks that it would have had.
    """

    def __init__(self, seed: tf.Tensor, call: tf.Tensor, sites: int):
        """Draws what all calls need.

        Args:
          seed, call: int64 [].
          sites: how many times the object will be called in one forward pass.
        """
        key = tf.stack([seed, call])
        draws = tf.random.stateless_uniform([sites], key, minval=None, maxval=None, dtype=tf.int64)
        self._seeds = iter(tf.unstack(tf.stack([tf.fill([sites], seed), draws], axis=1)))
        self._roundings = iter(tf.unstack(tf.random.stateless_uniform([sites], key)))

    def __call__(self, x: tf.Tensor, rate: float) -> tf.Tensor:
        """Drops elements of a tensor of any shape: a fraction `rate` is 0, the rest / (1 - rate)."""
        if rate == 0:
            return x
        kept, scale = self.draw(tf.shape(x), rate)
        return x * (tf.cast(kept, x.dtype) * scale)

    def draw(self, shape: tf.Tensor, rate: float) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws what is kept, bool [*shape], and the factor for what is kept, float32 []."""
        size = tf.reduce_prod(shape)
        words = tf.random.stateless_uniform(
            [(size + 7) // 8], next(self._seeds), minval=None, maxval=None, dtype=tf.uint64
        )
        random_bytes = tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size], shape)
        threshold = tf.floor(256.0 * rate + next(self._roundings))
        return random_bytes >= tf.cast(threshold, tf.uint8), 256.0 / (256.0 - threshold)


def dropout_state() -> tuple[tf.Variable, tf.Variable]:
    """Makes the variables for a `Dropout`'s seed and the number of its call, int64 [] each.

    Replicas share the seed, and each counts its own calls, from where `separate_replicas` starts it.
    """
    return tf.Variable(0, False, name="dropout_seed", dtype=tf.int64), tf.Variable(
        0,
        False,
        name="dropout_calls",
        dtype=tf.int64,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def droppers(model: tf.keras.Model) -> list:
    """Lists what has a `dropout_state` in the model: heads, and encoders that this project made."""
    items = [getattr(layer, "resolved_object", layer) for layer in model.layers]
    return [item for item in items if hasattr(item, "dropout_seed")]


def separate_replicas(model: tf.keras.Model) -> None:
    """Gives each replica its own dropout masks; those of the first replica stay as they are."""
    strategy = model.distribute_strategy

    def on_replica():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        for dropper in droppers(model):
            calls = dropper.dropout_calls.read_value() % _CALLS
            dropper.dropout_calls.assign(calls + tf.cast(replica, tf.int64) * _CALLS)

    if strategy.num_replicas_in_sync > 1:
        strategy.run(tf.function(on_replica))


class HeadDropout(tf.keras.layers.Layer):
    """`Dropout` as a Keras layer; it is active in training only.

    Attributes:
      dropout_seed, dropout_calls: see `dropout_state`.
    """

    def __init__(self, rate: float):
        super().__init__()
        self._rate = rate
        self.dropout_seed, self.dropout_calls = dropout_state()

    def call(self, x, training=None):
        """Drops elements of x in training; returns x itself otherwise."""
        if not training:
            return x
        return Dropout(self.dropout_seed, self.dropout_calls.assign_add(1), sites=1)(x, self._rate)


def dense(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Computes x @ kernel + bias; the bias' gradient is a matrix product too, faster than a sum.

    Args:
      x: [rows, inputs].
      kernel: [inputs, outputs].
      bias: [outputs].

    Returns:
      [rows, outputs].
    """

    @tf.custom_gradient
    def apply(x, kernel, bias):
        def gradient(upstream):
            ones = tf.ones([1, tf.shape(upstream)[0]], upstream.dtype)
            return (
                tf.matmul(upstream, kernel, transpose_b=True),
                tf.matmul(x, upstream, transpose_a=True),
                tf.matmul(ones, upstream)[0],
            )

        return tf.nn.bias_add(tf.matmul(x, kernel), bias), gradient

    return apply(x, tf.convert_to_tensor(kernel), tf.convert_to_tensor(bias))


def gelu(x: tf.Tensor) -> tf.Tensor:
    """Computes x * P(X <= x), X standard normal, for any shape, with its gradient by hand.

    From Hendrycks and Gimpel, 2016.
    """

    @tf.custom_gradient
    def activate(x):
        scaled = x * math.sqrt(0.5)
        probability = 0.5 + 0.5 * tf.math.erf(scaled)

        def gradient(upstream):
            # The density at x is exp(-scaled^2) / sqrt(2 pi).
            density = tf.exp(-0.5 * math.log(math.pi) - tf.square(scaled))
            return upstream * (probability + scaled * density)

        return x * probability, gradient

    return activate(x)


def attention(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    mask: tf.Tensor,
    dropout: Dropout | None,
    rate: float,
) -> tf.Tensor:
    """Computes attention (Vaswani et al., 2017); its gradient by hand needs fewer passes over memory.

    Args:
      query: [batch, heads, length, size], scaled.
      key, value: of the same shape.
      mask: added to the scores, [batch, 1, 1, length].
      dropout: None where there is none.
      rate: fraction of the weights that is dropped.

    Returns:
      [batch, heads, length, size].
    """
    shape = tf.concat([tf.shape(query)[:3], tf.shape(key)[2:3]], axis=0)
    kept, scale = dropout.draw(shape, rate) if dropout and rate else (None, 1.0)

    def drop(weights):
        return weights if kept is None else weights * tf.cast(kept, weights.dtype)

    @tf.custom_gradient
    def attend(query, key, value):
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) + mask)
        dropped = drop(weights)  # what is kept of them gets larger in `scaled`, which is smaller
        scaled = value * scale
        context = tf.matmul(dropped, scaled)

        def gradient(upstream):
            d_weights = drop(tf.matmul(upstream, scaled, transpose_b=True))
            # The sum over a row of weights * d_weights (Dao et al., 2022, appendix B.2).
            inner = tf.reduce_sum(upstream * context, axis=-1, keepdims=True)
            d_scores = weights * (d_weights - inner)
            return (
                tf.matmul(d_scores, key),
                tf.matmul(d_scores, query, transpose_a=True),
                tf.matmul(dropped, upstream, transpose_a=True) * scale,
            )

        return context, gradient

    return attend(query, key, value)


def layer_norm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Normalizes layers (Ba et al., 2016); its gradient by hand needs half the passes over memory.

    Args:
      x: [rows, width].
      gamma: scale [width].
      beta: shift [width].
      epsilon: added to the variance.

    Returns:
      [rows, width], each row with mean 0 and variance 1, then scaled and shifted.
    """

    @tf.custom_gradient
    def normalize(x, gamma, beta):
        centered = x - tf.reduce_mean(x, axis=1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centered), axis=1, keepdims=True)
        scale = tf.math.rsqrt(variance + epsilon)  # [rows, 1]
        unit = centered * scale

        def gradient(upstream):
            d_unit = upstream * gamma
            # What in it shifts or stretches a row has no effect on the row's normal form.
            shift = tf.reduce_mean(d_unit, axis=1, keepdims=True)
            stretch = tf.reduce_mean(d_unit * unit, axis=1, keepdims=True)
            return (
                (d_unit - (unit * stretch + shift)) * scale,
                tf.reduce_sum(upstream * unit, axis=0),
                tf.reduce_sum(upstream, axis=0),
            )

        return tf.nn.bias_add(unit * gamma, beta), gradient

    return normalize(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))


class LayerNormalization(tf.keras.layers.Layer):
    """`layer_norm` as a Keras layer, over the last of two axes.

    Keras' own runs as a fused batch normalization of one channel a row. oneDNN's kernel for that writes
    past the end of its buffers (TensorFlow 2.16), and now and then the process dies of it later.
    """

    def __init__(self, epsilon: float = 1e-3):
        """Keeps `epsilon`, which is added to the variance; the default is Keras'."""
        super().__init__()
        self._epsilon = epsilon

    def build(self, shape):
        """Makes the scale and the shift."""
        self.gamma = self.add_weight("gamma", shape[-1:], initializer="ones")
        self.beta = self.add_weight("beta", shape[-1:], initializer="zeros")

    def call(self, x):
        """Normalizes x [rows, width]; see `layer_norm`."""
        return layer_norm(x, self.gamma, self.beta, self._epsilon)
