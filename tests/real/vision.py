"""Image classifiers and segmenters of the transformers library."""

from __future__ import annotations

from typing import Any

from torch import nn

from tests.real.base import Outputs, loud, net

SIDE = 64


def _built(kind: str, options: dict[str, Any], head: str = "Model") -> nn.Module:
    import transformers

    config = getattr(transformers, f"{kind}Config")(**options)
    return getattr(transformers, f"{kind}{head}")(config)


@net("segformer", (3, SIDE, SIDE), "transformers")
def segformer() -> nn.Module:
    options = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]}
    options |= {"decoder_hidden_size": 8, "mlp_ratios": [2, 2, 2, 2], "sr_ratios": [4, 2, 1, 1]}
    return Outputs(_built("Segformer", options, "ForSemanticSegmentation"), "logits")


def _loud(model: nn.Module) -> nn.Module:
    """With scores of attention that get over the -100 under which Swin puts what lies beyond the image's edge."""
    return loud(model, *(f"attention.{name}" for name in ("q_proj", "k_proj", "self.query", "self.key")))


SWIN = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4, "image_size": SIDE}


@net("swin", (3, SIDE, SIDE), "transformers", faint=True)
def swin() -> nn.Module:
    return Outputs(_loud(_built("Swin", {**SWIN, "depths": [2, 2], "num_heads": [1, 2]})), "last_hidden_state")


@net("mask2former", (3, SIDE, SIDE), "transformers")
def mask2former() -> nn.Module:
    import transformers

    backbone = transformers.SwinConfig(**SWIN, out_features=["stage1", "stage2", "stage3", "stage4"])
    options = {"backbone_config": backbone, "feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32}
    options |= {"encoder_feedforward_dim": 16, "dim_feedforward": 16, "encoder_layers": 1, "decoder_layers": 2}
    options |= {"num_attention_heads": 2, "num_queries": 4, "num_labels": 3}
    model = _built("Mask2Former", options, "ForUniversalSegmentation")
    return Outputs(_loud(model), "class_queries_logits", "masks_queries_logits")


@net("maskformer", (3, SIDE, SIDE), "transformers")
def maskformer() -> nn.Module:
    import transformers

    backbone = transformers.SwinConfig(**SWIN, out_features=["stage1", "stage2", "stage3", "stage4"])
    decoder = transformers.DetrConfig(
        d_model=8, decoder_layers=1, encoder_layers=1, decoder_attention_heads=2, encoder_attention_heads=2,
        decoder_ffn_dim=16, encoder_ffn_dim=16, num_queries=4,
    )  # fmt: skip
    options = {"backbone_config": backbone, "decoder_config": decoder, "fpn_feature_size": 32, "mask_feature_size": 32}
    model = _built("MaskFormer", options, "ForInstanceSegmentation")
    return Outputs(_loud(model), "class_queries_logits", "masks_queries_logits")


@net("dpt", (3, 32, 32), "transformers")
def dpt() -> nn.Module:
    options = {"hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 16}
    options |= {"image_size": 32, "patch_size": 8, "backbone_out_indices": [0, 1, 2, 3], "fusion_hidden_size": 8}
    options |= {"neck_hidden_sizes": [8, 8, 8, 8], "is_hybrid": False}
    return Outputs(_built("DPT", options, "ForDepthEstimation"), "predicted_depth")


@net("beit", (3, 32, 32), "transformers")
def beit() -> nn.Module:
    options = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    options |= {"image_size": 32, "patch_size": 8, "use_relative_position_bias": True}
    return Outputs(_built("Beit", options), "last_hidden_state")


@net("convnextv2", (3, SIDE, SIDE), "transformers")
def convnextv2() -> nn.Module:
    return Outputs(_built("ConvNextV2", {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}), "last_hidden_state")


@net("focalnet", (3, SIDE, SIDE), "transformers")
def focalnet() -> nn.Module:
    options = {"embed_dim": 8, "depths": [1, 1], "image_size": SIDE, "focal_levels": [2, 2], "focal_windows": [3, 3]}
    return Outputs(_built("FocalNet", {**options, "hidden_sizes": [8, 16]}), "last_hidden_state")


@net("hiera", (3, SIDE, SIDE), "transformers")
def hiera() -> nn.Module:
    options = {"embed_dim": 8, "depths": [1, 1, 1], "num_heads": [1, 2, 4], "image_size": [SIDE, SIDE]}
    options |= {"masked_unit_size": [4, 4], "query_stride": [2, 2], "num_query_pool": 2, "masked_unit_attention": [True, True, False]}  # fmt: skip  # noqa: E501
    return Outputs(_built("Hiera", options), "last_hidden_state")


@net("detr", (3, SIDE, SIDE), "transformers")
def detr() -> nn.Module:
    import transformers

    backbone = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    options = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "num_queries": 4, "num_labels": 3}
    options |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16}
    options |= {"decoder_ffn_dim": 16, "backbone_config": backbone, "use_timm_backbone": False}
    options |= {"use_pretrained_backbone": False, "backbone": None}
    return Outputs(_built("Detr", options, "ForObjectDetection"), "logits", "pred_boxes")
