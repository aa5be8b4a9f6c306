"""The model families by name. A new family is one file and one line here."""

from profl_ray.errors import unknown_name
from profl_ray.models.cnn import CNN
from profl_ray.models.resnet import RESNET18, RESNET34
from profl_ray.models.unit import Family
from profl_ray.models.vgg import VGG11_BN, VGG16_BN

FAMILIES: dict[str, Family] = {
    "cnn": CNN,
    "resnet18": RESNET18,
    "resnet34": RESNET34,
    "vgg11_bn": VGG11_BN,
    "vgg16_bn": VGG16_BN,
}


def find_family(name: str) -> Family:
    """Return the family called `name`; UserError names the nearest one otherwise."""
    if name not in FAMILIES:
        raise unknown_name("model", name, FAMILIES)
    return FAMILIES[name]
