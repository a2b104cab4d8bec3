//! The intermediate representation: a checked network as plain data.
//!
//! Nothing here knows `syn` or `quote`, and nothing after this pass looks back at syntax. Every
//! shape has been computed, every parameter has its place in the arena.

mod verify;

use std::fmt;
use std::ops::Range;

/// Panels of weights are this many output channels wide, and activations are padded to it.
///
/// It is the runtime's `PANEL`; a constant assertion in the generated code holds the two together.
pub(crate) const PANEL: usize = 16;

/// Channels, rows and columns of one image's activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) c: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.c, self.h, self.w)
    }
}

/// A sliding window; every pair is (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: (usize, usize),
    pub(crate) stride: (usize, usize),
    pub(crate) padding: (usize, usize),
}

/// Which family of algorithms the author asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Algorithm {
    /// The compiler picks by its cost model.
    #[default]
    Auto,
    /// Direct sums only.
    Direct,
}

/// What numbers are kept as: weights in a file, weights and activations in a net. Sums are f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Format {
    #[default]
    F32,
    F16,
    Bf16,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// What Rust calls the type.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// How many fit the place of one `f32`.
    pub(crate) const fn per_f32(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Whether it is narrower than what sums are computed in.
    pub(crate) const fn is_narrow(self) -> bool {
        self.per_f32() > 1
    }
}

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    /// Convolution with bias, and a ReLU after it unless `relu` is false.
    Conv {
        window: Window,
        relu: bool,
        algorithm: Algorithm,
        params: ConvParams,
    },
    MaxPool {
        window: Window,
    },
    /// Averages as PyTorch's `AvgPool2d` does: padding counts, what `ceil` adds beyond it does not.
    AvgPool {
        window: Window,
    },
    /// Inverted dropout with this probability; the identity at inference.
    Dropout {
        p: f32,
    },
    GlobalAvgPool,
}

/// Where a convolution's parameters stand in the arena, in elements.
///
/// The weights are in panels: `[co / PANEL][kh][kw][ci][PANEL]`, or `[co / PANEL][ci][kh][kw][PANEL]`
/// where the layer reads the planar image. The bias has `co` rounded up to `PANEL` elements. The
/// padding is zero and stays zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvParams {
    pub(crate) weight: usize,
    pub(crate) weight_len: usize,
    pub(crate) bias: usize,
    pub(crate) bias_len: usize,
}

impl ConvParams {
    /// The places of weights and bias in the arena.
    pub(crate) fn places(&self) -> [Range<usize>; 2] {
        [self.weight..self.weight + self.weight_len, self.bias..self.bias + self.bias_len]
    }
}

/// One layer: a convolution, a pool, a dropout or the global average.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layer {
    /// The module's name in PyTorch's `state_dict()` for the net written as nested `Sequential`s:
    /// `0.2` is the third module of the first block.
    pub(crate) module: String,
    /// What the author would call it: `conv 5×5`, `max_pool 3×3/2`.
    pub(crate) name: String,
    pub(crate) op: Op,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    /// Trainable parameters, as PyTorch counts them.
    pub(crate) params: usize,
    /// Multiply-adds of one image's forward pass by direct sums (convolutions only).
    pub(crate) macs: u64,
    /// Rows and columns of the input image that one output element sees.
    pub(crate) receptive_field: (usize, usize),
    /// The arithmetic that gave the output's rows and columns, for people.
    pub(crate) formula: String,
    /// Remarks that are no errors: rows cut off by a stride, pixels that a stride skips.
    pub(crate) notes: Vec<String>,
}

/// What follows `where`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Options {
    pub(crate) algorithm: Algorithm,
    pub(crate) storage: Format,
    /// The most bytes that inference may use as scratch.
    pub(crate) ram_budget: Option<u64>,
}

/// A `.safetensors` file that fits the net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pretrained {
    /// Its path, relative to the user's crate.
    pub(crate) file: String,
    /// Its tensors in the order of their data.
    pub(crate) tensors: Vec<Stored>,
}

/// A tensor of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its place in the net's table of parameters.
    pub(crate) param: usize,
    pub(crate) format: Format,
}

/// A checked network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Net {
    pub(crate) input: Shape,
    pub(crate) layers: Vec<Layer>,
    pub(crate) options: Options,
    /// Elements of the parameter arena, panels' padding included.
    pub(crate) arena_len: usize,
    /// The weights that the program brings along.
    pub(crate) pretrained: Option<Pretrained>,
}

impl Net {
    /// The number of classes: the channels that reach the global average pool.
    pub(crate) fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.output.c)
    }

    /// Trainable parameters, as PyTorch counts them.
    pub(crate) fn params(&self) -> usize {
        self.layers.iter().map(|layer| layer.params).sum()
    }

    /// Multiply-adds of one image's forward pass by direct sums.
    pub(crate) fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }
}

/// One line for the net and one for each layer, for tests and for people.
impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, arena_len, .. } = self;
        let (classes, params, macs) = (self.classes(), self.params(), self.macs());
        writeln!(
            f,
            "net {input}, {classes} classes, {params} parameters, {macs} multiply-adds, arena \
                {arena_len}"
        )?;
        self.layers.iter().try_for_each(|layer| writeln!(f, "{layer}"))
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, name, input, output, receptive_field: (rows, columns), .. } = self;
        write!(f, "{module:<4} {name:<18} {input} → {output}, sees {rows}×{columns}")?;
        if let Op::Conv { relu, algorithm, params, .. } = self.op {
            let (weights, biases) = (params.weight, params.bias);
            write!(f, ", {} parameters at {weights} and {biases}", self.params)?;
            write!(f, ", {} multiply-adds", self.macs)?;
            f.write_str(if relu { "" } else { ", no ReLU" })?;
            f.write_str(if algorithm == Algorithm::Direct { ", direct" } else { "" })?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}
