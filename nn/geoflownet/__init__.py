"""Networks that measure displacement between two images.

- `geoflownet_a`, `geoflownet_b`: the paper's networks; `flownet2_sd`, `strainnet_f`: those they come from
- `Iterated`: any of them in passes, each on the images warped by what the last one found
- `receptive_field`, `halo`: how far a network sees, and so how tiles must overlap
- `tiled`: a network on images of any size, tile by tile, with the result of the whole image
- `Scarp`: the small network on top of the matching engine; `refine`: a map made better by the shipped one
- `save`, `load`: weights as safetensors with what built the network; `onnx`, `exported`: other forms

Names load with torch when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dislok.nn.geoflownet.apply import refine as refine
    from dislok.nn.geoflownet.export import exported as exported
    from dislok.nn.geoflownet.export import onnx as onnx
    from dislok.nn.geoflownet.iterated import Iterated as Iterated
    from dislok.nn.geoflownet.reach import halo as halo
    from dislok.nn.geoflownet.reach import receptive_field as receptive_field
    from dislok.nn.geoflownet.scarp import Scarp as Scarp
    from dislok.nn.geoflownet.tiles import tiled as tiled
    from dislok.nn.geoflownet.unet import FlowUNet as FlowUNet
    from dislok.nn.geoflownet.unet import flownet2_sd as flownet2_sd
    from dislok.nn.geoflownet.unet import geoflownet_a as geoflownet_a
    from dislok.nn.geoflownet.unet import geoflownet_b as geoflownet_b
    from dislok.nn.geoflownet.unet import strainnet_f as strainnet_f
    from dislok.nn.geoflownet.weights import load as load
    from dislok.nn.geoflownet.weights import save as save

_HOMES = {
    "FlowUNet": "unet",
    "Iterated": "iterated",
    "Scarp": "scarp",
    "exported": "export",
    "flownet2_sd": "unet",
    "geoflownet_a": "unet",
    "geoflownet_b": "unet",
    "halo": "reach",
    "load": "weights",
    "onnx": "export",
    "receptive_field": "reach",
    "refine": "apply",
    "save": "weights",
    "strainnet_f": "unet",
    "tiled": "tiles",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"dislok.nn.geoflownet.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'dislok.nn.geoflownet' has no attribute {name!r}; it offers {__all__}")


def __dir__() -> list[str]:
    return __all__
