"""A 1x1 convolution with a stride that never reaches oneDNN's faulty kernel."""

from torch import Tensor, nn
from torch.nn import functional

NUM_SAFE_CHANNELS = 16
"""From so many input channels on the kernel is sound, whatever the processor's vector length."""


class StridedConv1x1(nn.Conv2d):
    """A 1x1 convolution without bias that drops the skipped pixels first, then has no stride.

    Same values as `nn.Conv2d`. oneDNN 3.13's gradient of a strided 1x1 convolution writes past its workspace
    if the input is channels-last and has fewer channels than a vector register (its issue 6035).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """[N, in_channels, H, W] -> [N, out_channels, H / stride, W / stride]."""
        rows, columns = self.stride
        return functional.conv2d(images[:, :, ::rows, ::columns], self.weight)


def conv1x1(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    """Return a 1x1 convolution without bias."""
    if stride > 1 and in_channels < NUM_SAFE_CHANNELS:
        return StridedConv1x1(in_channels, out_channels, stride)
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
