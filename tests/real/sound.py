"""Speech and sound: of the transformers library, and two separators in the form of Conv-TasNet and Demucs."""

from __future__ import annotations

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.real.base import Outputs, net


class Wave(nn.Module):
    """A model on sound ``(N, 1, L)`` that takes it as ``(N, L)``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x[:, 0]).last_hidden_state.transpose(1, 2)


def _wav2vec(kind: str, options: dict[str, Any]) -> nn.Module:
    import transformers

    options |= {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    options |= {"conv_dim": [8, 8, 8], "conv_stride": [4, 2, 2], "conv_kernel": [8, 3, 3], "vocab_size": 11}
    options |= {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    return Wave(getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**options)))


@net("wav2vec2", (1, 240), "transformers")
def wav2vec2() -> nn.Module:
    return _wav2vec("Wav2Vec2", {"num_feat_extract_layers": 3, "feat_extract_norm": "group"})


@net("hubert", (1, 240), "transformers")
def hubert() -> nn.Module:
    return _wav2vec("Hubert", {"num_feat_extract_layers": 3, "feat_extract_norm": "layer"})


@net("whisper-encoder", (8, 64), "transformers")
def whisper() -> nn.Module:
    import transformers
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    options = {"num_mel_bins": 8, "d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2}
    config = transformers.WhisperConfig(**options, encoder_ffn_dim=24, max_source_positions=32)
    return Outputs(WhisperEncoder(config), "last_hidden_state", given="input_features")


@net("encodec", (1, 200), "transformers", folds=True)
def encodec() -> nn.Module:
    import transformers

    options = {"hidden_size": 8, "num_filters": 4, "upsampling_ratios": [4, 2], "num_lstm_layers": 1}
    return transformers.EncodecModel(transformers.EncodecConfig(**options)).encoder


class GlobalNorm(nn.Module):
    """Over all channels and all of time (Luo & Mesgarani, arXiv:1809.07454)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean((1, 2), keepdim=True)
        return centred / (centred.pow(2).mean((1, 2), keepdim=True) + 1e-8).sqrt()


class RunningNorm(nn.Module):
    """Over all channels and the time up to each step: the causal form."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype) * x.shape[1]
        mean = x.sum(1, keepdim=True).cumsum(-1) / count
        square = x.pow(2).sum(1, keepdim=True).cumsum(-1) / count
        return (x - mean) / (square - mean.pow(2) + 1e-8).sqrt()


class TasNetBlock(nn.Module):
    def __init__(self, dilation: int, causal: bool) -> None:
        super().__init__()
        self.reach = 2 * dilation
        self.causal = causal
        norm = RunningNorm if causal else GlobalNorm
        self.first = nn.Sequential(nn.Conv1d(8, 12, 1), nn.PReLU(), norm())
        self.depthwise = nn.Conv1d(12, 12, 3, dilation=dilation, groups=12)
        self.last = nn.Sequential(nn.PReLU(), norm())
        self.residual, self.skip = nn.Conv1d(12, 8, 1), nn.Conv1d(12, 8, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sides = (self.reach, 0) if self.causal else (self.reach // 2, self.reach // 2)
        y = self.last(self.depthwise(F.pad(self.first(x), sides)))
        return x + self.residual(y), self.skip(y)


class ConvTasNet(nn.Module):
    """Encoder, a separator that masks, decoder (Luo & Mesgarani, arXiv:1809.07454)."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.encoder = nn.Conv1d(1, 8, 8, stride=4, bias=False)
        self.blocks = nn.ModuleList(TasNetBlock(2**i, causal) for i in range(3))
        self.masks = nn.Sequential(nn.PReLU(), nn.Conv1d(8, 16, 1), nn.Sigmoid())
        self.decoder = nn.ConvTranspose1d(8, 1, 8, stride=4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = F.relu(self.encoder(x))
        y, skips = features, torch.zeros_like(features)
        for block in self.blocks:
            y, skip = block(y)
            skips = skips + skip
        masks = self.masks(skips).reshape(-1, 2, 8, features.shape[-1])
        sources = (masks * features.unsqueeze(1)).flatten(0, 1)
        return self.decoder(sources).reshape(x.shape[0], 2, -1)


@net("conv-tasnet", (1, 160))
def conv_tasnet() -> nn.Module:
    return ConvTasNet(causal=False)


@net("conv-tasnet-causal", (1, 160), quick=True)
def causal_conv_tasnet() -> nn.Module:
    return ConvTasNet(causal=True)


class Demucs(nn.Module):
    """A U-Net over time with gated convolutions and an LSTM in the middle (Defossez et al., arXiv:1911.13254)."""

    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        wide = [1, *(4 * 2**i for i in range(depth))]
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv1d(a, b, 8, stride=4), nn.ReLU(), nn.Conv1d(b, 2 * b, 1), nn.GLU(1))
            for a, b in itertools.pairwise(wide)
        )
        self.middle = nn.LSTM(wide[-1], wide[-1], bidirectional=True, batch_first=True)
        self.mixed = nn.Linear(2 * wide[-1], wide[-1])
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv1d(b, 2 * b, 3, padding=1), nn.GLU(1), nn.ConvTranspose1d(b, a, 8, stride=4))
            for b, a in itertools.pairwise(wide[::-1])
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        x = self.mixed(self.middle(x.transpose(1, 2))[0]).transpose(1, 2)
        for block in self.up:
            skip = skips.pop()
            spare = skip.shape[-1] - x.shape[-1]
            skip = skip[..., spare // 2 : skip.shape[-1] - (spare - spare // 2)] if spare else skip
            x = block(x + skip)
        return x


@net("demucs", (1, 340))
def demucs() -> nn.Module:
    return Demucs()
