"""What turns an encoder's output into a task's answer: one module a kind of answer.

A head is a frozen dataclass with these attributes and methods, and a task picks one:

    text_features              names of the raw text features, in the order the model takes them
    offset_features            those of them whose word pieces' byte offsets are stored too
    label_key, prediction_key  what the Evaluator compares: a raw feature, an output of the signatures
    targets(raw, pieces)       raw features and word pieces -> the target features that Transform
                               stores beside the word pieces
    trainable(features)        stored -> bool [batch], which examples can be trained on
    training_rows(features, vocabulary, hyperparameters)
                               stored -> ragged rows for the encoder, and their dense targets
    logits(inputs, outputs, dropout)
                               the encoder's inputs and outputs -> logits, through Keras layers
    loss(targets, logits)      a scalar, the mean over the batch
    answer(apply, features, raw, vocabulary, hyperparameters)
                               -> the outputs of the signatures; `apply` is
                               `components.training.export.apply_in_chunks` of the trained model
"""
