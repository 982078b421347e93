"""Which nets the index has: all of ours, of torchvision and of timm; of transformers those that see images."""

from __future__ import annotations

from collections.abc import Iterator

# Widths that weights are published for; elsewhere the width is a part of the name.
WIDTHS = {"mobilenet_v2": (0.35, 0.5, 0.75, 1.3, 1.4), "mobilenet_v3_large": (0.75,), "mobilenet_v3_small": (0.75,)}
CLASSIFIERS = (
    "Beit Bit ConvNext ConvNextV2 Cvt Data2VecVision DeiT Dinov2 EfficientNet FocalNet HGNetV2 Hiera IJepa ImageGPT "
    "Levit MobileNetV1 MobileNetV2 MobileViT MobileViTV2 PoolFormer Pvt PvtV2 RegNet ResNet Segformer SwiftFormer Swin "
    "Swinv2 TextNet ViT ViTMSN"
)
OTHERS = (
    "DPTForDepthEstimation GLPNForDepthEstimation ViTMAEModel YolosForObjectDetection CLIPVisionModel "
    "SiglipVisionModel UperNetForSemanticSegmentation SegformerForSemanticSegmentation ASTForAudioClassification "
    "Wav2Vec2Model BertModel GPT2Model Dinov2WithRegistersModel DINOv3ViTModel"
)
# Sizes that are published under other names than the default's.
SIZES = {
    "ViT": ("hidden_size=192&num_attention_heads=3&intermediate_size=768",
            "hidden_size=384&num_attention_heads=6&intermediate_size=1536",
            "hidden_size=1024&num_hidden_layers=24&num_attention_heads=16&intermediate_size=4096"),
    "DeiT": ("hidden_size=192&num_attention_heads=3&intermediate_size=768",
             "hidden_size=384&num_attention_heads=6&intermediate_size=1536"),
    "Dinov2": ("hidden_size=384&num_attention_heads=6&image_size=518&patch_size=14",
               "image_size=518&patch_size=14",
               "hidden_size=1024&num_hidden_layers=24&num_attention_heads=16&image_size=518&patch_size=14"),
    "Swin": ("depths=[2,2,18,2]", "embed_dim=128&depths=[2,2,18,2]&num_heads=[4,8,16,32]"),
    "ConvNext": ("depths=[3,3,27,3]", "depths=[3,3,27,3]&hidden_sizes=[128,256,512,1024]",
                 "depths=[3,3,27,3]&hidden_sizes=[192,384,768,1536]"),
    "ResNet": ("layer_type='basic'&hidden_sizes=[64,128,256,512]&depths=[2,2,2,2]", "depths=[3,4,23,3]"),
}  # fmt: skip


def specs() -> Iterator[str]:
    """The nets of the libraries that are installed."""
    from rftools.models import NETS

    yield from (f"rftools:{name}" for name in NETS)
    from torchvision import models

    yield from (f"torchvision:{name}" for name in models.list_models() if not name.startswith("quantized_"))
    yield from (f"torchvision:{name}?width_mult={width}" for name, widths in WIDTHS.items() for width in widths)
    import timm

    yield from (f"timm:{name}" for name in timm.list_models())
    yield from _of_transformers()


def _of_transformers() -> Iterator[str]:
    for name in CLASSIFIERS.split():
        for size in ("", *SIZES.get(name, ())):
            typed = f"?{size}" if size else ""
            yield f"transformers:{name}ForImageClassification{typed}"
            yield f"transformers:{name}Model{typed}"
    yield from (f"transformers:{name}" for name in OTHERS.split())
