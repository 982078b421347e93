"""Encoders, decoders and state-space models of the transformers library, on embedded tokens."""

from __future__ import annotations

from typing import Any

from torch import nn

from tests.real.base import Sequence, loud, net

WIDTH, LENGTH = 16, 24
SMALL = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 11}  # fmt: skip  # noqa: E501
LIKE_LLAMA = {**SMALL, "num_key_value_heads": 1, "max_position_embeddings": 64}


def _built(kind: str, options: dict[str, Any]) -> nn.Module:
    import transformers

    config = getattr(transformers, f"{kind}Config")(**options)
    return getattr(transformers, f"{kind}Model")(config)


@net("gpt2", (WIDTH, LENGTH), "transformers")
def gpt2() -> nn.Module:
    options = {"n_embd": WIDTH, "n_layer": 2, "n_head": 2, "vocab_size": 11, "n_positions": 64}
    return Sequence(_built("GPT2", options), use_cache=False)


@net("llama", (WIDTH, LENGTH), "transformers")
def llama() -> nn.Module:
    return Sequence(_built("Llama", LIKE_LLAMA), use_cache=False)


@net("mistral", (WIDTH, LENGTH), "transformers")
def mistral() -> nn.Module:
    return Sequence(_built("Mistral", {**LIKE_LLAMA, "sliding_window": 5}), use_cache=False)


@net("gemma2", (WIDTH, LENGTH), "transformers")
def gemma2() -> nn.Module:
    options = {**LIKE_LLAMA, "sliding_window": 5, "head_dim": 8}
    return Sequence(_built("Gemma2", options), use_cache=False)


@net("gpt-neo", (WIDTH, LENGTH), "transformers")
def gpt_neo() -> nn.Module:
    options = {"hidden_size": WIDTH, "num_layers": 2, "num_heads": 2, "vocab_size": 11, "window_size": 4}
    options |= {"attention_types": [[["global", "local"], 1]], "max_position_embeddings": 64}
    return Sequence(_built("GPTNeo", options), use_cache=False)


@net("bloom", (WIDTH, LENGTH), "transformers")
def bloom() -> nn.Module:
    options = {"hidden_size": WIDTH, "n_layer": 2, "n_head": 2, "vocab_size": 11}
    return Sequence(_built("Bloom", options), use_cache=False)


@net("bert", (WIDTH, LENGTH), "transformers")
def bert() -> nn.Module:
    return Sequence(_built("Bert", {**SMALL, "max_position_embeddings": 64}))


@net("longformer", (WIDTH, LENGTH), "transformers")
def longformer() -> nn.Module:
    return Sequence(_built("Longformer", {**SMALL, "attention_window": 4, "max_position_embeddings": 64}))


@net("t5-encoder", (WIDTH, LENGTH), "transformers")
def t5() -> nn.Module:
    import transformers

    options = {"d_model": WIDTH, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "vocab_size": 11}
    return Sequence(transformers.T5EncoderModel(transformers.T5Config(**options)))


@net("mamba", (WIDTH, LENGTH), "transformers")
def mamba() -> nn.Module:
    options = {"hidden_size": WIDTH, "num_hidden_layers": 2, "state_size": 4, "vocab_size": 11, "conv_kernel": 4}
    return Sequence(_built("Mamba", options), use_cache=False)


@net("mamba2", (WIDTH, LENGTH), "transformers")
def mamba2() -> nn.Module:
    options = {"hidden_size": WIDTH, "num_hidden_layers": 2, "state_size": 4, "vocab_size": 11, "conv_kernel": 4}
    options |= {"num_heads": 4, "head_dim": 8, "n_groups": 1, "chunk_size": 8, "expand": 2}
    return Sequence(_built("Mamba2", options), use_cache=False)


@net("rwkv", (WIDTH, 12), "transformers")
def rwkv() -> nn.Module:
    options = {"hidden_size": WIDTH, "num_hidden_layers": 2, "attention_hidden_size": WIDTH, "vocab_size": 11}
    model = loud(_built("Rwkv", {**options, "context_length": 32}), "attention.key", by=50)
    return Sequence(model, use_cache=False)  # keys that outweigh what came long after them


@net("fnet", (WIDTH, LENGTH), "transformers")
def fnet() -> nn.Module:
    return Sequence(_built("FNet", {**SMALL, "max_position_embeddings": 64}))
