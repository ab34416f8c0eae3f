"""What Hugging Face's BERT calls its options and its tensors, and what ours calls them."""

from nlp_helpers.models.bert_config import BERTConfig

ACTIVATIONS = {  # theirs -> ours
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
SIZES = {  # ours -> theirs
    "vocab_size": "vocab_size",
    "d_model": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "d_ff": "intermediate_size",
    "max_len": "max_position_embeddings",
    "n_segments": "type_vocab_size",
}
DEFAULT_SIZES = {"max_position_embeddings": 512, "type_vocab_size": 2}
# Options that would make another function: name -> the value that ours has.
SUPPORTED = {
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
}
EMBEDDINGS = {
    "word_embeddings": "tokens",
    "position_embeddings": "positions",
    "token_type_embeddings": "segments",
}
LAYER = {  # theirs -> ours, inside a layer
    "attention.self.query": "attention.W_Q",
    "attention.self.key": "attention.W_K",
    "attention.self.value": "attention.W_V",
    "attention.output.dense": "attention.W_O",
    "attention.output.LayerNorm": "attention_norm.norm",
    "intermediate.dense": "feed_forward.inner",
    "output.dense": "feed_forward.outer",
    "output.LayerNorm": "feed_forward_norm.norm",
}
BODY = ("embeddings.", "encoder.", "pooler.")
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")  # 0, 1, 2 ... and zeros
OLD = {".LayerNorm.gamma": ".LayerNorm.weight", ".LayerNorm.beta": ".LayerNorm.bias"}
PREDICTIONS = "cls.predictions"
HEADS = {  # ours -> the names of their tensors, and of ours
    "BERTForPreTraining": {
        f"{PREDICTIONS}.transform.dense.weight": "mlm.linear.weight",
        f"{PREDICTIONS}.transform.dense.bias": "mlm.linear.bias",
        f"{PREDICTIONS}.transform.LayerNorm.weight": "mlm.norm.weight",
        f"{PREDICTIONS}.transform.LayerNorm.bias": "mlm.norm.bias",
        f"{PREDICTIONS}.bias": "mlm.bias",
        "cls.seq_relationship.weight": "nsp.weight",
        "cls.seq_relationship.bias": "nsp.bias",
    },
    "BERTForSequenceClassification": {
        "classifier.weight": "output.weight",
        "classifier.bias": "output.bias",
    },
    "BERTForQuestionAnswering": {
        "qa_outputs.weight": "output.weight",
        "qa_outputs.bias": "output.bias",
    },
    "BERTForTokenClassification": {
        "classifier.weight": "output.weight",
        "classifier.bias": "output.bias",
    },
}


def tensor_names(config: BERTConfig) -> dict[str, str]:
    """The name of each official tensor of the body -> the name of ours."""
    names = {f"embeddings.{theirs}.weight": f"{mine}.weight" for theirs, mine in EMBEDDINGS.items()}
    pairs = {"embeddings.LayerNorm": "norm"}
    for i in range(config.n_layers):
        for theirs, mine in LAYER.items():
            pairs[f"encoder.layer.{i}.{theirs}"] = f"stack.layers.{i}.{mine}"
    if config.pooler:
        pairs["pooler.dense"] = "pooler"
    for theirs, mine in pairs.items():
        names |= {f"{theirs}.{part}": f"{mine}.{part}" for part in ("weight", "bias")}
    return names
