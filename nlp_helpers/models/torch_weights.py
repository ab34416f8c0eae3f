"""From PyTorch's attention and Transformer modules to ours: configuration and weights.

Ours are made from the class that is handed in, so that no model is imported here. An option of
PyTorch's that ours do not have is refused by name.
"""

import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.models.transformer_config import StackConfig, TransformerConfig

ACTIVATIONS = {F.relu: "relu", torch.relu: "relu", F.gelu: "gelu"}


@torch.no_grad()
def attention_from_torch(cls: type, module: nn.MultiheadAttention):
    """`nn.MultiheadAttention` -> `MultiHeadAttention`, in its dtype and mode.

    Raises:
        TypeError: not an `nn.MultiheadAttention`.
        ValueError: an option that ours does not have.
    """
    check_kind(module, nn.MultiheadAttention)
    width = module.embed_dim
    refuse(
        {
            "batch_first=False": not module.batch_first,
            "add_bias_kv=True": module.bias_k is not None,
            "add_zero_attn=True": module.add_zero_attn,
            f"kdim={module.kdim}, vdim={module.vdim} (unlike embed_dim={width})": not (
                module.kdim == module.vdim == width
            ),
        }
    )
    bias = module.in_proj_bias is not None
    ours = cls(width, module.num_heads, module.dropout, bias).to(module.in_proj_weight)
    parts = (ours.W_Q, ours.W_K, ours.W_V)
    for linear, weight in zip(parts, module.in_proj_weight.chunk(3), strict=True):
        linear.weight.copy_(weight)
    if bias:
        for linear, values in zip(parts, module.in_proj_bias.chunk(3), strict=True):
            linear.bias.copy_(values)
    ours.W_O.load_state_dict(module.out_proj.state_dict())
    return ours.train(module.training)


def layer_from_torch(cls: type, module: nn.Module):
    """An encoder or decoder layer of PyTorch's -> ours, `cls`; equal in eval mode.

    In training PyTorch's also drops units inside the feed-forward network, as the paper does not.

    Raises:
        TypeError, ValueError: as `attention_from_torch`; norms of different eps, parts of different
            dropout.
    """
    check_kind(module, layer_kind(cls))
    ours = cls(layer_config(module, n_layers=1))
    copy_layer(ours, module)
    return ours.train(module.training)


def stack_from_torch(cls: type, module: nn.Module):
    """`nn.TransformerEncoder` or `nn.TransformerDecoder` -> ours, `cls`.

    Raises:
        TypeError, ValueError: as `attention_from_torch`; layers that differ in more than weights,
            a final norm that is no layer normalisation with the layers' eps.
    """
    kind = layer_kind(cls)
    check_kind(
        module,
        nn.TransformerEncoder if kind is nn.TransformerEncoderLayer else nn.TransformerDecoder,
    )
    for layer in module.layers:
        check_kind(layer, kind)
    if module.norm is not None:
        check_norm(module.norm, module.layers[0].self_attn.embed_dim)
    ours = cls(stack_config(module))
    for mine, theirs in zip(ours.layers, module.layers, strict=True):
        copy_layer(mine, theirs)
    if module.norm is not None:
        refuse({f"a final norm with eps={module.norm.eps}": module.norm.eps != ours.norm.eps})
        copy_into(ours.norm, module.norm)
    return ours.train(module.training)


def transformer_from_torch(
    cls: type, module: nn.Transformer, source_vocab_size: int, vocab_size: int, max_len: int
):
    """`nn.Transformer` -> the stacks of ours, between fresh embeddings.

    Raises:
        TypeError, ValueError: as `stack_from_torch`; stacks that differ in more than weights.
    """
    check_kind(module, nn.Transformer)
    check_kind(module.encoder, nn.TransformerEncoder)
    check_kind(module.decoder, nn.TransformerDecoder)
    config, other = stack_config(module.encoder), stack_config(module.decoder)
    if config != other:
        raise ValueError(f"expected stacks of one configuration, got {config} and {other}")
    sizes = {"source_vocab_size": source_vocab_size, "vocab_size": vocab_size, "max_len": max_len}
    ours = cls(TransformerConfig(**vars(config), **sizes))
    ours.to(next(module.parameters()))
    ours.encoder = type(ours.encoder).from_torch(module.encoder)
    ours.decoder = type(ours.decoder).from_torch(module.decoder)
    return ours.train(module.training)


def stack_config(module: nn.Module) -> StackConfig:
    """What a stack of PyTorch's was built from; all its layers must be alike."""
    n_layers, final_norm = len(module.layers), module.norm is not None
    configs = {layer_config(layer, n_layers, final_norm) for layer in module.layers}
    if len(configs) != 1:
        raise ValueError(f"expected layers of one configuration, got {len(configs)}")
    return configs.pop()


def layer_config(layer: nn.Module, n_layers: int, final_norm: bool = False) -> StackConfig:
    """What a layer of PyTorch's was built from."""
    check_kind(layer, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer))
    parts = dict(layer.named_children())
    norms = [part for name, part in parts.items() if name.startswith("norm")]
    for norm in norms:
        check_norm(norm, layer.self_attn.embed_dim)
    eps = {norm.eps for norm in norms}
    rates = {part.p for name, part in parts.items() if name.startswith("dropout")}
    rates |= {p.dropout for p in parts.values() if isinstance(p, nn.MultiheadAttention)}
    refuse(
        {
            "bias=False": layer.linear1.bias is None,
            f"norms of different eps {sorted(eps)}": len(eps) > 1,
            f"parts of different dropout {sorted(rates)}": len(rates) > 1,
        }
    )
    return StackConfig(
        d_model=layer.self_attn.embed_dim,
        n_heads=layer.self_attn.num_heads,
        d_ff=layer.linear1.out_features,
        n_layers=n_layers,
        dropout=layer.dropout.p,
        norm="pre" if layer.norm_first else "post",
        activation=activation_name(layer.activation),
        eps=layer.norm1.eps,
        final_norm=final_norm,
    )


def activation_name(function: object) -> str:
    """The name in our configuration of an activation in PyTorch's layers."""
    if isinstance(function, nn.ReLU):
        return "relu"
    if isinstance(function, nn.GELU):
        return {"none": "gelu", "tanh": "gelu_tanh"}[function.approximate]
    if function not in ACTIVATIONS:
        raise ValueError(f"activation={function!r} is not one that ours has: relu, gelu, gelu_tanh")
    return ACTIVATIONS[function]


def copy_layer(ours: nn.Module, module: nn.Module) -> None:
    """Weights of one layer into an equal layer of ours; norms and attentions are in order."""
    attentions = [("attention", module.self_attn)]
    norms = [("attention_norm", module.norm1), ("feed_forward_norm", module.norm2)]
    if hasattr(module, "multihead_attn"):
        attentions.append(("cross_attention", module.multihead_attn))
        norms[1:] = [("cross_attention_norm", module.norm2), ("feed_forward_norm", module.norm3)]
    for name, theirs in attentions:
        setattr(ours, name, attention_from_torch(type(getattr(ours, name)), theirs))
    for name, theirs in norms:
        copy_into(getattr(ours, name).norm, theirs)
    copy_into(ours.feed_forward.inner, module.linear1)
    copy_into(ours.feed_forward.outer, module.linear2)


def copy_into(ours: nn.Module, theirs: nn.Module) -> None:
    """Copy all parameters, in the dtype and on the device that they have there."""
    ours.to(next(theirs.parameters())).load_state_dict(theirs.state_dict())


def layer_kind(cls: type) -> type:
    """The layer of PyTorch's that a class of ours, a layer or a stack, is made from."""
    names = {base.__name__ for base in cls.__mro__}
    decoder = bool(names & {"Decoder", "DecoderLayer"})
    return nn.TransformerDecoderLayer if decoder else nn.TransformerEncoderLayer


def check_kind(module: object, kinds: type | tuple[type, ...]) -> None:
    """Refuse what is none of these modules."""
    if not isinstance(module, kinds):
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        names = " or ".join(f"nn.{kind.__name__}" for kind in kinds)
        raise TypeError(f"expected an {names}, got {type(module).__name__}")


def check_norm(module: object, width: int) -> None:
    """Refuse what is not a layer normalisation of vectors of this width, with gain and bias."""
    check_kind(module, nn.LayerNorm)
    refuse(
        {
            f"a norm of shape {list(module.normalized_shape)} (vectors have {width})": (
                module.normalized_shape != (width,)
            ),
            "a norm without gain or bias": module.weight is None or module.bias is None,
        }
    )


def refuse(options: dict[str, bool]) -> None:
    """Raise for the options (in words) that are in use."""
    used = [words for words, in_use in options.items() if in_use]
    if used:
        raise ValueError(f"not supported by ours: {'; '.join(used)}")
