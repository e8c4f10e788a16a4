"""Many known architectures, with random weights, through both of PyTorch's exporters and Tenon, against eager.

    python examples/architectures.py FOLDER [NAME ...]

Prints one line per model and exporter: the largest difference to eager relative to the output's largest value, or why
there is none. Exported files stay in FOLDER and are used again. Needs torchvision, timm and transformers.
"""

import logging
import sys
import time
import warnings
from pathlib import Path

import numpy
import torch
from torch import nn

import tenon


def image(*sizes):
    return lambda: (torch.randn(1, 3, *sizes),)


def tokens(count=12, vocabulary=100):
    return lambda: (torch.randint(3, vocabulary, (1, count)),)


def torchvision(name, **options):
    def build():
        import torchvision

        return torchvision.models.get_model(name, weights=None, **options)

    return build


def timm(name, **options):
    def build():
        import timm

        return timm.create_model(name, pretrained=False, **options)

    return build


class Plain(nn.Module):
    """A model of transformers as a function from tensors to its first result."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs):
        return self.model(**dict(zip(self.names, inputs)), return_dict=False)[0]


SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
TEXT = {**SMALL, "vocab_size": 100, "max_position_embeddings": 64}


def transformer(model, configuration, names=("input_ids",), **sizes):
    def build():
        import transformers

        made = getattr(transformers, configuration)(**sizes)
        made.use_cache = False
        return Plain(getattr(transformers, model)(made), names)

    return build


class First(nn.Module):
    """A segmentation model as a function to its main result."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)["out"]


def segmentation(name):
    return lambda: First(torchvision(name, weights_backbone=None, num_classes=5)())


def clip():
    import transformers

    text = {**TEXT, "eos_token_id": 2}
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    configuration = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)
    return Plain(transformers.CLIPModel(configuration), ("input_ids", "pixel_values"))


DECODER = {**TEXT, "num_key_value_heads": 2}

# Name: (module, inputs).
MODELS = {
    "alexnet": (torchvision("alexnet"), image(224, 224)),
    "vgg11_bn": (torchvision("vgg11_bn"), image(224, 224)),
    "googlenet": (torchvision("googlenet", aux_logits=False, init_weights=False), image(96, 96)),
    "inception_v3": (torchvision("inception_v3", aux_logits=False, init_weights=False), image(128, 128)),
    "regnet_y_400mf": (torchvision("regnet_y_400mf"), image(64, 64)),
    "resnext50_32x4d": (torchvision("resnext50_32x4d"), image(64, 64)),
    "mnasnet0_5": (torchvision("mnasnet0_5"), image(64, 64)),
    "efficientnet_v2_s": (torchvision("efficientnet_v2_s"), image(64, 64)),
    "shufflenet_v2_x0_5": (torchvision("shufflenet_v2_x0_5"), image(64, 64)),
    "swin_v2_t": (torchvision("swin_v2_t"), image(64, 64)),
    "maxvit_t": (torchvision("maxvit_t"), image(224, 224)),
    "fcn_resnet50": (segmentation("fcn_resnet50"), image(64, 64)),
    "deeplabv3_mobilenet_v3_large": (segmentation("deeplabv3_mobilenet_v3_large"), image(64, 64)),
    "lraspp_mobilenet_v3_large": (segmentation("lraspp_mobilenet_v3_large"), image(64, 64)),
    "ghostnet_100": (timm("ghostnet_100"), image(64, 64)),
    "mixer_s32_224": (timm("mixer_s32_224"), image(224, 224)),
    "poolformer_s12": (timm("poolformer_s12"), image(64, 64)),
    "nf_resnet50": (timm("nf_resnet50"), image(64, 64)),
    "hrnet_w18_small": (timm("hrnet_w18_small"), image(64, 64)),
    "beit_base_patch16_224": (timm("beit_base_patch16_224", depth=2, embed_dim=64, num_heads=4), image(224, 224)),
    "roberta": (transformer("RobertaModel", "RobertaConfig", **TEXT), tokens()),
    "albert": (transformer("AlbertModel", "AlbertConfig", embedding_size=32, **TEXT), tokens()),
    "electra": (transformer("ElectraModel", "ElectraConfig", embedding_size=32, **TEXT), tokens()),
    "deberta_v2": (
        transformer(
            "DebertaV2Model",
            "DebertaV2Config",
            relative_attention=True,
            position_buckets=8,
            pos_att_type=["p2c", "c2p"],
            **TEXT,
        ),
        tokens(),
    ),
    "t5_encoder": (
        transformer("T5EncoderModel", "T5Config", vocab_size=100, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4),
        tokens(),
    ),
    "opt": (
        transformer("OPTForCausalLM", "OPTConfig", ffn_dim=128, word_embed_proj_dim=64, **TEXT),
        tokens(),
    ),
    "bloom": (transformer("BloomModel", "BloomConfig", vocab_size=100, hidden_size=64, n_layer=2, n_head=4), tokens()),
    "gpt_neox": (transformer("GPTNeoXForCausalLM", "GPTNeoXConfig", **TEXT), tokens()),
    "qwen2": (transformer("Qwen2ForCausalLM", "Qwen2Config", **DECODER), tokens()),
    "mistral": (transformer("MistralForCausalLM", "MistralConfig", **DECODER), tokens()),
    "gemma": (transformer("GemmaForCausalLM", "GemmaConfig", head_dim=16, **DECODER), tokens()),
    "phi": (transformer("PhiForCausalLM", "PhiConfig", **TEXT), tokens()),
    "mixtral": (transformer("MixtralForCausalLM", "MixtralConfig", num_local_experts=4, **DECODER), tokens()),
    "whisper_encoder": (
        lambda: Plain(
            transformer(
                "WhisperModel",
                "WhisperConfig",
                d_model=64,
                encoder_layers=2,
                decoder_layers=1,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=128,
                decoder_ffn_dim=128,
                max_source_positions=50,
            )().model.encoder,
            ("input_features",),
        ),
        lambda: (torch.randn(1, 80, 100),),
    ),
    "wav2vec2": (
        transformer(
            "Wav2Vec2Model",
            "Wav2Vec2Config",
            ("input_values",),
            conv_dim=(32, 32),
            conv_stride=(5, 2),
            conv_kernel=(10, 3),
            num_feat_extract_layers=2,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            **SMALL,
        ),
        lambda: (torch.randn(1, 400),),
    ),
    "clip": (clip, lambda: (torch.cat([torch.randint(3, 90, (1, 11)), torch.full((1, 1), 2)], 1), torch.randn(1, 3, 32, 32))),
    "vit": (
        transformer("ViTModel", "ViTConfig", ("pixel_values",), image_size=32, patch_size=8, **SMALL),
        image(32, 32),
    ),
    "segformer": (
        transformer(
            "SegformerForSemanticSegmentation",
            "SegformerConfig",
            ("pixel_values",),
            hidden_sizes=[16, 32, 64, 64],
            depths=[1, 1, 1, 1],
            decoder_hidden_size=32,
        ),
        image(64, 64),
    ),
    "mamba": (
        transformer("MambaModel", "MambaConfig", vocab_size=100, hidden_size=32, state_size=8, num_hidden_layers=2),
        tokens(),
    ),
}


def export(module, inputs, path, dynamo):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        options = {"verbose": False} if dynamo else {"opset_version": 17}
        torch.onnx.export(module, inputs, str(path), dynamo=dynamo, **options)
        logging.disable(logging.NOTSET)


def first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0][:150]


def compare(name, folder, dynamo):
    """What to print of one model as one exporter writes it."""
    torch.manual_seed(0)
    build, make_inputs = MODELS[name]
    module = build().eval()
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.running_var.uniform_(0.5, 1.5)
    for parameter in module.parameters():
        if not parameter.any():  # zeros, as some heads start with, would hide what is before them
            torch.nn.init.normal_(parameter, std=0.02)
    inputs = make_inputs()
    path = folder / f"{name}.{'dynamo' if dynamo else 'torchscript'}.onnx"
    if not path.exists():
        try:
            export(module, inputs, path, dynamo)
        except Exception as error:  # the exporters raise anything
            return f"not exported: {first_line(error)}"
    start = time.perf_counter()
    try:
        model = tenon.compile(path)
    except tenon.Error as error:
        return f"NOT COMPILED ({error.kind}): {error}"
    seconds = time.perf_counter() - start
    worst = 0.0
    with torch.inference_mode():
        for _ in range(2):
            expected = module(*inputs).numpy()
            got = model(*(x.numpy() for x in inputs))
            got = got[0] if isinstance(got, list) else got
            if got.shape != expected.shape or got.dtype != expected.dtype:
                return f"WRONG: {got.dtype}{list(got.shape)} instead of {expected.dtype}{list(expected.shape)}"
            worst = max(worst, float(numpy.abs(got - expected).max() / numpy.abs(expected).max()))
            inputs = make_inputs()
    return f"{worst:.1e}, compiled in {seconds:.1f} s{'' if worst <= 1e-4 else '  WRONG'}"


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or MODELS:
        for dynamo in (True, False):
            try:
                line = compare(name, folder, dynamo)
            except Exception as error:  # one model's failure must not hide the others
                line = f"FAILED: {type(error).__name__}: {first_line(error)}"
            print(f"{name:30} {'dynamo' if dynamo else 'torchscript':12} {line}", flush=True)


if __name__ == "__main__":
    main()
