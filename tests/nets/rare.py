"""Operators that hardly any net calls by these names, one for each rule that random nets may miss.

Each is a function of a map after a convolution: over one axis ``(1, 4, 13)``, over two or three where
that is said. What gives no map is joined with the map again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torchvision import ops

Function = Callable[[torch.Tensor], torch.Tensor]
aten = torch.ops.aten


def _square(x: torch.Tensor) -> torch.Tensor:
    """A well-conditioned matrix of all of the channels' values at the first places: ``(1, 4, 4)``."""
    return torch.eye(4, dtype=x.dtype) * 3 + x[..., :4].tanh()


def _even(x: torch.Tensor) -> torch.Tensor:
    """A symmetric positive one."""
    own = _square(x)
    return own @ own.mT


def _joined(x: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return x * value.reshape(-1).double().sum()


def _own(f: Callable[..., Any], *args: Any) -> Function:
    """An operator's first output, as large as the map."""

    def function(x: torch.Tensor) -> torch.Tensor:
        made = f(x, *args)
        return made[0] if isinstance(made, (tuple, list)) else made

    return function


def _whole(f: Callable[[torch.Tensor], Any]) -> Function:
    """What depends on all of a matrix, joined with the map."""

    def function(x: torch.Tensor) -> torch.Tensor:
        made = f(x)
        return _joined(x, (made[0] if isinstance(made, (tuple, list)) else made).real)

    return function


def _integers(x: torch.Tensor) -> torch.Tensor:
    return (7 * x).round().long() + 3


#: rule -> a function over one axis that calls it
LINE: dict[str, Function] = {
    "aten._batch_norm_impl_index": _own(lambda x: aten._batch_norm_impl_index(x, *_stats(x), False, 0.1, 1e-5, False)),
    "aten.trunc": lambda x: (40 * x).trunc(),
    "aten.native_layer_norm": _own(lambda x: torch.native_layer_norm(x, [x.shape[-1]], None, None, 1e-5)),
    "aten.native_group_norm": _own(lambda x: torch.native_group_norm(x, None, None, 1, 4, x.shape[-1], 2, 1e-5)),
    "aten.native_dropout": _own(lambda x: torch.native_dropout(x, 0.5, False)),
    "aten.native_channel_shuffle": lambda x: torch.native_channel_shuffle(x, 2),
    "aten._log_softmax": lambda x: aten._log_softmax(x, -1, False),
    "aten._reshape_alias": lambda x: aten._reshape_alias(x.contiguous(), list(x.shape), list(x.contiguous().stride())),
    "aten._index_put_impl": lambda x: aten._index_put_impl(
        x, [None, None, torch.tensor([0, 1])], x[..., 4:6], False, False
    ),
    "aten._fft_c2c": lambda x: aten._fft_c2c(torch.complex(x, x.tanh()), [2], 0, True).real,
    "aten._fft_c2r": lambda x: aten._fft_c2r(torch.complex(x, x.tanh()), [2], 0, 24),
    "aten._trilinear": lambda x: aten._trilinear(
        x.mT[0], torch.linspace(1, 2, 64).reshape(4, 4, 4).to(x), x.mT[0].tanh(), [1, 3], [0], [1, 2], [2, 3]
    ).mT[None],
    "aten._unique2": lambda x: x * aten._unique2(x.round())[0].sum(),
    "aten.unique_dim": lambda x: x * torch.unique(x.round(), dim=-1).sum(),
    "aten.addbmm": lambda x: torch.addbmm(x[0], x.tanh(), torch.eye(13).to(x)[None])[None],
    "aten.as_strided": lambda x: x.contiguous().as_strided((1, 4, 6), (52, 13, 2)),
    "aten.atleast_1d": lambda x: torch.atleast_1d(x).tanh(),
    "aten.atleast_2d": lambda x: torch.atleast_2d(x).tanh(),
    "aten.bincount": lambda x: x * torch.bincount((x.sigmoid() * 5).long().flatten(), minlength=5)[2],
    "aten.bitwise_and": lambda x: x * torch.bitwise_and(_integers(x), 3),
    "aten.bitwise_or": lambda x: x * torch.bitwise_or(_integers(x), 3),
    "aten.bitwise_xor": lambda x: x * torch.bitwise_xor(_integers(x), 3),
    "aten.bitwise_left_shift": lambda x: x * torch.bitwise_left_shift(_integers(x), 1),
    "aten.bitwise_right_shift": lambda x: x * torch.bitwise_right_shift(_integers(x), 1),
    "aten._fused_rms_norm": _own(lambda x: aten._fused_rms_norm(x, [13], None, 1e-5)),
    "aten._native_batch_norm_legit_functional": _own(
        lambda x: aten._native_batch_norm_legit_functional(x, *_stats(x), True, 0.1, 1e-5)
    ),
    "aten.fake_quantize_per_tensor_affine_cachemask": _own(
        lambda x: aten.fake_quantize_per_tensor_affine_cachemask(x, 0.1, 0, -99, 99)
    ),
    "aten.fake_quantize_per_channel_affine_cachemask": _own(
        lambda x: aten.fake_quantize_per_channel_affine_cachemask(
            x.float(), torch.full((4,), 0.1), torch.zeros(4, dtype=torch.int32), 1, -99, 99
        )[0].to(x)
    ),
    "aten.nonzero": lambda x: x * torch.nonzero(x > 0.5).sum(),
    "aten.linalg_matrix_rank": _whole(lambda x: torch.linalg.matrix_rank(x[..., :4], atol=0.5)),
    "aten.gcd": lambda x: x * torch.gcd(_integers(x), _integers(x.roll(1, -1))),
    "aten.lcm": lambda x: x * torch.lcm(_integers(x), _integers(x.roll(1, -1))),
    "aten.broadcast_to": lambda x: x * torch.broadcast_to(x[..., :1], x.shape),
    "aten.bucketize": lambda x: x * torch.bucketize(x, torch.linspace(-1, 1, 9).to(x)),
    "aten.searchsorted": lambda x: x * torch.searchsorted(torch.linspace(-1, 1, 9).to(x), x),
    "aten.cdist": lambda x: torch.cdist(x, x.roll(1, -1))[..., :1] * x,
    "aten._cdist_forward": lambda x: aten._cdist_forward(x, x.roll(1, -1), 2.0, None)[..., :1] * x,
    "aten.pdist": lambda x: _joined(x, torch.pdist(x[0])),
    "aten._pdist_forward": lambda x: _joined(x, aten._pdist_forward(x[0].contiguous(), 2.0)),
    "aten.linalg_cholesky": _whole(lambda x: torch.linalg.cholesky(_even(x))),
    "aten.linalg_cholesky_ex": _whole(lambda x: torch.linalg.cholesky_ex(_even(x))),
    "aten.cholesky_inverse": _whole(lambda x: torch.cholesky_inverse(_square(x))),
    "aten.cholesky_solve": _whole(lambda x: torch.cholesky_solve(x[..., :2], _square(x))),
    "aten.triangular_solve": _whole(lambda x: torch.triangular_solve(x[..., :2], _square(x))),
    "aten.linalg_solve_triangular": _whole(lambda x: torch.linalg.solve_triangular(_square(x), x[..., :2], upper=True)),
    "aten.det": _whole(lambda x: torch.det(_square(x))),
    "aten.linalg_det": _whole(lambda x: torch.linalg.det(_square(x))),
    "aten._linalg_det": _whole(lambda x: aten._linalg_det(_square(x))),
    "aten.logdet": _whole(lambda x: torch.logdet(_even(x))),
    "aten.slogdet": _whole(lambda x: torch.slogdet(x[..., :4])),
    "aten.linalg_slogdet": _whole(lambda x: torch.linalg.slogdet(x[..., :4])),
    "aten._linalg_slogdet": _whole(lambda x: aten._linalg_slogdet(x[..., :4])),
    "aten.inverse": _whole(lambda x: torch.inverse(_square(x))),
    "aten.linalg_inv": _whole(lambda x: torch.linalg.inv(_square(x))),
    "aten.linalg_inv_ex": _whole(lambda x: torch.linalg.inv_ex(_square(x))),
    "aten.linalg_solve": _whole(lambda x: torch.linalg.solve(_square(x), x)),
    "aten.linalg_solve_ex": _whole(lambda x: torch.linalg.solve_ex(_square(x), x)),
    "aten._linalg_solve_ex": _whole(lambda x: aten._linalg_solve_ex(_square(x), x)),
    "aten.linalg_lu": _whole(lambda x: torch.linalg.lu(_square(x))[2]),
    "aten.linalg_lu_factor": _whole(lambda x: torch.linalg.lu_factor(_square(x))),
    "aten.linalg_lstsq": _whole(lambda x: torch.linalg.lstsq(_square(x), x[..., 4:])),
    "aten.linalg_qr": _whole(lambda x: torch.linalg.qr(_square(x))[1]),
    "aten.geqrf": _whole(lambda x: torch.geqrf(_square(x))),
    "aten.linalg_householder_product": _whole(
        lambda x: torch.linalg.householder_product(_square(x), x[..., 0].sigmoid())
    ),
    "aten.linalg_eigh": _whole(lambda x: torch.linalg.eigh(_even(x))[0] * torch.arange(4)),
    "aten._linalg_eigh": _whole(lambda x: aten._linalg_eigh(_even(x))[0] * torch.arange(4)),
    "aten.linalg_eigvalsh": _whole(lambda x: torch.linalg.eigvalsh(_even(x)) * torch.arange(4)),
    "aten.linalg_eig": _whole(lambda x: torch.linalg.eig(_square(x))[0].abs().square()),
    "aten.linalg_eigvals": _whole(lambda x: torch.linalg.eigvals(_square(x)).abs().square()),
    "aten.linalg_svd": _whole(lambda x: torch.linalg.svd(_square(x))[1]),
    "aten._linalg_svd": _whole(lambda x: aten._linalg_svd(_square(x))[1]),
    "aten.svd": _whole(lambda x: torch.svd(_square(x))[1]),
    "aten.linalg_svdvals": _whole(lambda x: torch.linalg.svdvals(_square(x))),
    "aten.linalg_cond": _whole(lambda x: torch.linalg.cond(_square(x))),
    "aten.linalg_matrix_exp": _whole(lambda x: torch.linalg.matrix_exp(_square(x) / 9)),
    "aten.matrix_exp": _whole(lambda x: torch.matrix_exp(_square(x) / 9)),
    "aten.linalg_matrix_norm": _whole(lambda x: torch.linalg.matrix_norm(_square(x))),
    "aten.linalg_matrix_power": _whole(lambda x: torch.linalg.matrix_power(_square(x), 2)),
    "aten.matrix_power": _whole(lambda x: torch.matrix_power(_square(x), 3)),
    "aten.linalg_pinv": _whole(lambda x: torch.linalg.pinv(_square(x))),
    "aten.frobenius_norm": _whole(lambda x: aten.frobenius_norm.dim(_square(x), [1, 2])),
    "aten.nuclear_norm": _whole(lambda x: torch.nuclear_norm(_square(x)[0])),
    "aten.clamp_max": lambda x: torch.clamp_max(x, 1),
    "aten.clip": lambda x: torch.clip(x, -2, 2),
    "aten.concat": lambda x: torch.concat([x[..., 3:], x[..., :3].tanh()], -1),
    "aten.concatenate": lambda x: torch.concatenate([x[..., 3:], x[..., :3].tanh()], -1),
    "aten.resolve_neg": lambda x: torch.complex(x, x.tanh()).conj().imag.resolve_neg(),
    "aten.view_as_complex": lambda x: torch.view_as_complex(x[..., :12].contiguous().unflatten(-1, (6, 2))).abs(),
    "aten.constant_pad_nd": lambda x: torch.constant_pad_nd(x, [1, 2], 0.5),
    "aten.diag_embed": lambda x: torch.diag_embed(x).sum(-1).tanh(),
    "aten.diagonal_copy": lambda x: x[..., :4] * torch.diagonal_copy(x[..., :4], dim1=1, dim2=2)[..., None],
    "aten.embedding": lambda x: F.embedding((x.sigmoid() * 4.99).long(), _table(x)).sum(-1) * x,
    "aten.one_hot": lambda x: F.one_hot((x.sigmoid() * 4.99).long(), 5)[..., 2] * x,
    "aten.expand_copy": lambda x: x * torch.expand_copy(x[..., :1], list(x.shape)),
    "aten.narrow_copy": lambda x: torch.narrow_copy(x, -1, 2, 7),
    "aten.permute_copy": lambda x: torch.permute_copy(x, [0, 2, 1]).mT,
    "aten.transpose_copy": lambda x: torch.transpose_copy(x, 1, 2).mT,
    "aten.select_copy": lambda x: x * torch.select_copy(x, -1, 3)[..., None],
    "aten.slice_copy": lambda x: torch.slice_copy(x, -1, 2, 11, 2),
    "aten.split_copy": lambda x: torch.split_copy(x, 5, -1)[1],
    "aten.split_with_sizes_copy": lambda x: torch.split_with_sizes_copy(x, [3, 4, 6], -1)[1],
    "aten.squeeze_copy": lambda x: torch.squeeze_copy(x.unsqueeze(2), 2),
    "aten.unsqueeze_copy": lambda x: torch.unsqueeze_copy(x, 2).squeeze(2),
    "aten.unbind_copy": lambda x: x * torch.unbind_copy(x, -1)[4][..., None],
    "aten.unfold_copy": lambda x: torch.unfold_copy(x, -1, 3, 2).sum(-1),
    "aten.view_copy": lambda x: torch.view_copy(x.contiguous(), [4, 13]).reshape(1, 4, 13),
    "aten.unsafe_chunk": lambda x: torch.unsafe_chunk(x, 3, -1)[1],
    "aten.unsafe_split": lambda x: torch.unsafe_split(x, 5, -1)[1],
    "aten.unsafe_split_with_sizes": lambda x: torch.unsafe_split_with_sizes(x, [3, 4, 6], -1)[1],
    "aten.moveaxis": lambda x: torch.moveaxis(x, 1, 2).mT,
    "aten.swapdims": lambda x: torch.swapdims(x, 1, 2).mT,
    "aten.reshape_as": lambda x: x.flatten(1).reshape_as(x),
    "aten.sum_to_size": lambda x: x * x.sum_to_size(1, 4, 1),
    "aten.fake_quantize_per_tensor_affine": lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -99, 99),
    "aten.fake_quantize_per_channel_affine": lambda x: torch.fake_quantize_per_channel_affine(
        x.float(), torch.full((4,), 0.1), torch.zeros(4, dtype=torch.int32), 1, -99, 99
    ).to(x),
    "aten.fft_fftn": lambda x: torch.fft.fftn(x, dim=(-1,)).real,
    "aten.fft_ifftn": lambda x: torch.fft.ifftn(x, dim=(-1,)).real,
    "aten.fft_rfftn": lambda x: torch.fft.rfftn(x, dim=(-1,)).real,
    "aten.fft_irfftn": lambda x: torch.fft.irfftn(torch.complex(x, x.tanh()), dim=(-1,)),
    "aten.histc": lambda x: x * torch.histc(x.float(), 5, -2, 2)[2],
    "aten.i0": lambda x: torch.i0(x),
    "aten.igamma": lambda x: torch.igamma(x.abs() + 1, x.square() + 1),
    "aten.igammac": lambda x: torch.igammac(x.abs() + 1, x.square() + 1),
    "aten.ldexp": lambda x: torch.ldexp(x, torch.tensor(2)),
    "aten.log_sigmoid_forward": _own(aten.log_sigmoid_forward),
    "aten.masked_scatter": lambda x: x.masked_scatter(torch.arange(13) > 6, x.tanh()),
    "aten.mvlgamma": lambda x: torch.mvlgamma(x.abs() + 3, 2),
    "aten.nanmedian": lambda x: x * x.nanmedian(-1, keepdim=True)[0],
    "aten.nanquantile": lambda x: x * x.nanquantile(0.4, -1, keepdim=True),
    "aten.nextafter": lambda x: torch.nextafter(x, x.tanh()),
    "aten.norm": lambda x: x * aten.norm.ScalarOpt_dim(x, 2, [-1], True),
    "aten.polygamma": lambda x: torch.polygamma(1, x.abs() + 1),
    "aten.signbit": lambda x: x * torch.signbit(x.roll(1, -1)),
    "aten.special_bessel_j0": torch.special.bessel_j0,
    "aten.special_bessel_j1": torch.special.bessel_j1,
    "aten.special_bessel_y0": lambda x: torch.special.bessel_y0(x.abs() + 1),
    "aten.special_bessel_y1": lambda x: torch.special.bessel_y1(x.abs() + 1),
    "aten.special_entr": lambda x: torch.special.entr(x.abs() + 0.1),
    "aten.special_erfcx": lambda x: torch.special.erfcx(x.abs()),
    "aten.special_i0e": torch.special.i0e,
    "aten.special_i1": torch.special.i1,
    "aten.special_i1e": torch.special.i1e,
    "aten.special_log_ndtr": torch.special.log_ndtr,
    "aten.special_modified_bessel_k0": lambda x: torch.special.modified_bessel_k0(x.abs() + 0.5),
    "aten.special_modified_bessel_k1": lambda x: torch.special.modified_bessel_k1(x.abs() + 0.5),
    "aten.special_scaled_modified_bessel_k0": lambda x: torch.special.scaled_modified_bessel_k0(x.abs() + 0.5),
    "aten.special_scaled_modified_bessel_k1": lambda x: torch.special.scaled_modified_bessel_k1(x.abs() + 0.5),
    "aten.special_ndtri": lambda x: torch.special.ndtri(x.sigmoid()),
    "aten.special_polygamma": lambda x: torch.special.polygamma(1, x.abs() + 1),
    "aten.special_zeta": lambda x: torch.special.zeta(x.abs() + 2, x.square() + 1),
    "aten.reflection_pad1d": lambda x: aten.reflection_pad1d(x, [2, 3]),
    "aten.replication_pad1d": lambda x: aten.replication_pad1d(x, [2, 3]),
    "aten.max_pool1d_with_indices": lambda x: F.max_pool1d(x, 3, 2, return_indices=True)[0],
    "aten._convolution": lambda x: aten._convolution(
        x, _kernel(x, 1), None, [1], [1], [1], False, [0], 1, False, False, False, False
    ),
    "aten._scaled_dot_product_attention_math": lambda x: aten._scaled_dot_product_attention_math(x, x, x)[0],
    "aten._scaled_dot_product_flash_attention_for_cpu": lambda x: aten._scaled_dot_product_flash_attention_for_cpu(
        x[None], x[None], x[None]
    )[0][0],
    "aten.rnn_relu_cell": lambda x: torch.rnn_relu_cell(x[..., 3], x[..., 5], *_cell(x))[..., None] * x,
    "aten.rnn_relu": lambda x: torch.rnn_relu(x.mT, x[..., 5][None], _cell(x), True, 1, 0.0, False, False, True)[0].mT,
}


BOXES = torch.tensor([[0.0, 1.0, 1.0, 4.0, 5.0]])


def _spread(x: torch.Tensor) -> torch.Tensor:
    return x.sum((1, 2, 3), keepdim=True)


def _stats(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    zeros, ones = torch.zeros(4, dtype=x.dtype), torch.ones(4, dtype=x.dtype)
    return ones, zeros, zeros, ones


def _table(x: torch.Tensor) -> torch.Tensor:
    return torch.linspace(-1, 1, 15).reshape(5, 3).to(x)


def _kernel(x: torch.Tensor, rank: int) -> torch.Tensor:
    return torch.linspace(1, 2, 16 * 3**rank).reshape(4, 4, *[3] * rank).to(x)


def _cell(x: torch.Tensor) -> list[torch.Tensor]:
    matrix = torch.linspace(-0.5, 1, 16).reshape(4, 4).to(x)
    return [matrix, matrix, torch.ones(4).to(x), torch.ones(4).to(x)]


def _grid(x: torch.Tensor) -> torch.Tensor:
    rank = x.dim() - 2
    theta = torch.eye(rank, rank + 1)[None].to(x) * 0.8 + 0.03
    return F.affine_grid(theta, list(x.shape), align_corners=False)


#: rule -> a function over two axes
PLANE: dict[str, Function] = {
    "aten._adaptive_avg_pool2d": lambda x: aten._adaptive_avg_pool2d(x, [3, 5]),
    "aten.fft_rfft2": lambda x: torch.fft.rfft2(x).real,
    "aten.fft_irfft2": lambda x: torch.fft.irfft2(torch.complex(x, x.tanh())),
    "aten.grid_sampler_2d": lambda x: aten.grid_sampler_2d(x, _grid(x), 0, 0, False),
    "aten.max_pool2d_with_indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "aten.max_unpool2d": lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    "torchvision.deform_conv2d": lambda x: ops.deform_conv2d(x, x.repeat(1, 5, 1, 1)[:, :18], _kernel(x, 2), padding=1),
    "torchvision.roi_align": lambda x: _spread(ops.roi_align(x, BOXES.to(x), (2, 2))) * x,
    "torchvision.roi_pool": lambda x: _spread(ops.roi_pool(x, BOXES.to(x), (2, 2))) * x,
    "torchvision.ps_roi_align": lambda x: _spread(ops.ps_roi_align(x, BOXES.to(x), (2, 2))) * x,
    "torchvision.ps_roi_pool": lambda x: _spread(ops.ps_roi_pool(x, BOXES.to(x), (2, 2))) * x,
    "aten.reflection_pad2d": lambda x: aten.reflection_pad2d(x, [1, 2, 1, 1]),
}
#: rule -> a function over three axes
VOLUME: dict[str, Function] = {
    "aten._adaptive_avg_pool3d": lambda x: aten._adaptive_avg_pool3d(x, [2, 3, 2]),
    "aten.fractional_max_pool3d": lambda x: aten.fractional_max_pool3d(x, [2, 2, 2], [2, 3, 2], _samples(x))[0],
    "aten.max_pool3d_with_indices": lambda x: F.max_pool3d(x, 2, return_indices=True)[0],
    "aten.max_unpool3d": lambda x: F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), 2, output_size=x.shape[2:]),
    "aten.reflection_pad3d": lambda x: aten.reflection_pad3d(x, [1, 1, 1, 2, 1, 1]),
    "aten.replication_pad3d": lambda x: aten.replication_pad3d(x, [1, 1, 1, 2, 1, 1]),
    "aten.grid_sampler_3d": lambda x: aten.grid_sampler_3d(x, _grid(x), 0, 0, False),
}


def _samples(x: torch.Tensor) -> torch.Tensor:
    return torch.full((1, 4, 3), 0.4).to(x)


#: rules that no net here draws, and why
OUT_OF_REACH = {
    "aten._scaled_dot_product_efficient_attention": "on CUDA only",
    "aten._scaled_dot_product_flash_attention": "on CUDA only",
    "aten.cudnn_batch_norm": "on CUDA only",
    "aten.cholesky": "gone from newer torch",
    "aten.conj": "recorded as _conj",
    "aten.local_response_norm": "recorded as what it is made of",
    "aten.pixel_norm": "of no torch yet allowed",
    "aten.softmin": "recorded as softmax of the negative",
    "aten.bernoulli": "random: such nets are refused",
    "aten._pack_padded_sequence": "within nn.LSTM, which has a rule of its own (test_packed)",
    "torchvision.nms": "its boxes are no map (test_operators)",
}
