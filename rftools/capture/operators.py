"""Kinds of operators, by ATen's plain names: the one list that rules, cone, tape and drawings read.

A new operator that behaves as one of these kinds does is added here, and nowhere else.
"""

from __future__ import annotations

RANKS = (1, 2, 3)


def ranked(*stems: str) -> tuple[str, ...]:
    """The operators of one, two and three dimensions.

    >>> ranked("conv")
    ('conv1d', 'conv2d', 'conv3d')
    """
    return tuple(f"{stem}{rank}d" for stem in stems for rank in RANKS)


# -- operators that hold weights ------------------------------------------------------------------------------------
WINDOWED = ranked("conv")
TRANSPOSED = ranked("conv_transpose")
GENERAL = ("convolution", "_convolution")
CONVOLUTIONS = frozenset((*WINDOWED, *TRANSPOSED))
KERNELS = CONVOLUTIONS | {"convolution", "linear"}  # what holds kernels or a matrix
RUNNING_NORMS = ("batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
BATCH_NORMS = frozenset((*RUNNING_NORMS, "native_batch_norm"))

# -- functions of single elements -----------------------------------------------------------------------------------
#: bent at single values, smooth elsewhere: the activations of piecewise linear nets
KINKED = frozenset(
    ("relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "hardtanh", "hardswish", "hardsigmoid")
)
SMOOTH = frozenset(("gelu", "silu", "mish", "sigmoid", "tanh", "softplus"))
DROPOUTS = (
    *("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"),
    "native_dropout",
)
#: one element in, one out, with a derivative
UNARY = (
    *("relu", "relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "tanh"),
    *("hardsigmoid", "hardswish", "softplus", "log_sigmoid", "exp", "log", "log1p", "sqrt", "rsqrt", "abs"),
    *("sin", "cos", "square", "reciprocal", "pow", "neg", "erf", "clamp", "clamp_min", "clamp_max", "logit", "expm1"),
    *("threshold", "hardshrink", "softshrink", "rrelu", "atan", "tan", "sinh", "cosh", "log2", "erfc"),
)
#: one element in, one out; not differentiated by the cone
OTHER_UNARY = (
    *("_prelu_kernel", "log_sigmoid_forward", "log10", "sign", "asin", "acos", "floor", "ceil", "round"),
    *("trunc", "frac", "clip", "float_power", "negative", "nan_to_num", "positive", "sinc", "special_expit"),
    *("absolute", "bernoulli", "exp2", "erfinv", "digamma", "lgamma", "i0", "isnan", "isinf", "isfinite"),
    *("logical_not", "bitwise_not", "real", "imag", "_conj", "resolve_conj", "resolve_neg", "conj", "angle"),
    *("tril", "triu"),
)
#: the same values in a tensor of its own
COPIES = ("clone", "contiguous", "alias", "lift_fresh")
OTHER_COPIES = ("detach", "lift_fresh_copy", "_to_copy")
ARITHMETIC = ("add", "sub", "rsub", "mul", "div")
#: several tensors in, each element from those at its own place
JOINING = (
    *("addcmul", "addcdiv", "maximum", "minimum", "fmin", "fmax", "atan2", "lerp", "hypot", "masked_fill", "fmod"),
    *("remainder", "true_divide", "divide", "multiply", "subtract", "xlogy", "heaviside", "copysign", "polar"),
    *("complex", "logaddexp", "logaddexp2", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or"),
    *("logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "floor_divide"),
)
#: element by element too: special functions of statistics and physics, and values put on a quantised scale
SPECIAL = (
    *("polygamma", "special_polygamma", "mvlgamma", "special_erfcx", "special_log_ndtr", "special_ndtri"),
    *("special_i0e", "special_i1", "special_i1e", "special_zeta", "special_entr", "igamma", "igammac"),
    *("special_bessel_j0", "special_bessel_j1", "special_bessel_y0", "special_bessel_y1", "nextafter", "ldexp"),
    *("special_modified_bessel_k0", "special_modified_bessel_k1", "special_scaled_modified_bessel_k0"),
    *("special_scaled_modified_bessel_k1", "gcd", "lcm", "bitwise_left_shift", "bitwise_right_shift", "signbit"),
    *("fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine"),
    *("fake_quantize_per_tensor_affine_cachemask", "fake_quantize_per_channel_affine_cachemask"),
)
#: every element of the output depends on those at its own place, and on no others
ELEMENTWISE = tuple(
    dict.fromkeys(
        (
            *("prelu", *UNARY, *OTHER_UNARY, *COPIES, *OTHER_COPIES, *DROPOUTS, *ARITHMETIC, *JOINING, *SPECIAL),
            *(*RUNNING_NORMS, "native_batch_norm", "_batch_norm_impl_index"),
        )
    )
)
#: what takes any number of images as it was captured with one
PER_IMAGE = frozenset(
    (
        *("relu", "gelu", "prelu", "group_norm", "layer_norm", "instance_norm", "pad", "constant_pad_nd", "matmul"),
        *("linear", "softmax", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "upsample_nearest1d"),
        *("upsample_nearest2d", "upsample_bilinear2d", "upsample_linear1d", "upsample_bicubic2d"),
        *("upsample_trilinear3d", "adaptive_max_pool2d", "add", "mul", "sub", "div", "mean", "cat"),
        *ranked("avg_pool", "max_pool", "conv"),
    )
)
#: steps that a drawing puts into the box of the layer before them; norms that average over places are not among them
POINTWISE = frozenset({"batch_norm", "dropout"} | KINKED | SMOOTH)

# -- operators that move elements -----------------------------------------------------------------------------------
#: the same elements in the same order under another shape
SAME_ELEMENTS = (
    *("view", "_unsafe_view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "_reshape_alias"),
    *("view_copy", "squeeze_copy", "unsqueeze_copy", "ravel", "atleast_1d", "atleast_2d", "atleast_3d"),
)
#: several tensors, one after the other along a dimension
SPLITS = (
    *("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split", "split_copy"),
    *("split_with_sizes_copy", "unsafe_split_with_sizes"),
)
#: what may return a view of its input's memory
VIEWS = frozenset(
    (
        *("slice", "select", "view", "reshape", "transpose", "permute", "unsqueeze", "squeeze", "expand", "chunk"),
        *("split", "split_with_sizes", "unbind", "narrow", "flatten", "unflatten", "t", "diagonal", "movedim"),
        *("swapaxes", "getitem", "view_as", "expand_as", "unfold", "as_strided", "detach", "alias"),
    )
)

# -- operators that read shapes, or whose shape is read from data ---------------------------------------------------
SHAPE_ONLY = frozenset(
    (
        *("sym_size", "size", "numel", "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like"),
        *("new_zeros", "new_ones", "new_full", "new_empty", "_assert_tensor_metadata"),
    )
)
#: an empty answer of these is one of many that the data may give; by registry name, as some are torchvision's
SHAPED_BY_DATA = frozenset(
    ("aten.index", "aten.nonzero", "aten.masked_select", "torchvision.nms", "aten.unique_dim", "aten._unique2")
)


def aten(names: tuple[str, ...] | frozenset[str]) -> tuple[str, ...]:
    """Registry names of ATen's operators.

    >>> aten(("relu",))
    ('aten.relu',)
    """
    return tuple(f"aten.{name}" for name in names)
