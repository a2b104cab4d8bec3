//! What generated code names a net's layers by: geometry as types, checked when they are compiled,
//! and a line of the layer table.

use crate::Order;
use crate::ops::conv::ConvShape;
use crate::ops::pool::PoolShape;
#[cfg(feature = "alloc")]
use core::fmt;

/// A convolution of `CI` × `H` × `W` to `CO` × `HO` × `WO`, with its kernel, stride and padding
/// (rows, columns). `PLANAR` says that it reads the image.
#[derive(Clone, Copy, Debug)]
pub struct Conv<
    const CI: usize,
    const H: usize,
    const W: usize,
    const CO: usize,
    const HO: usize,
    const WO: usize,
    const KH: usize,
    const KW: usize,
    const SH: usize,
    const SW: usize,
    const PH: usize,
    const PW: usize,
    const PLANAR: bool,
>;

impl<
    const CI: usize,
    const H: usize,
    const W: usize,
    const CO: usize,
    const HO: usize,
    const WO: usize,
    const KH: usize,
    const KW: usize,
    const SH: usize,
    const SW: usize,
    const PH: usize,
    const PW: usize,
    const PLANAR: bool,
> Conv<CI, H, W, CO, HO, WO, KH, KW, SH, SW, PH, PW, PLANAR>
{
    /// The geometry; a wrong one does not compile.
    pub const SHAPE: ConvShape = ConvShape::new(
        (CI, CO),
        (H, W),
        (KH, KW),
        (SH, SW),
        (PH, PW),
        if PLANAR { Order::Planar } else { Order::ChannelsLast },
    )
    .cropped((HO, WO));
}

/// A pool of `C` × `H` × `W` to `HO` × `WO` pixels, with its kernel, stride and padding (rows, columns).
#[derive(Clone, Copy, Debug)]
pub struct Pool<
    const C: usize,
    const H: usize,
    const W: usize,
    const HO: usize,
    const WO: usize,
    const KH: usize,
    const KW: usize,
    const SH: usize,
    const SW: usize,
    const PH: usize,
    const PW: usize,
>;

impl<
    const C: usize,
    const H: usize,
    const W: usize,
    const HO: usize,
    const WO: usize,
    const KH: usize,
    const KW: usize,
    const SH: usize,
    const SW: usize,
    const PH: usize,
    const PW: usize,
> Pool<C, H, W, HO, WO, KH, KW, SH, SW, PH, PW>
{
    /// The geometry; a wrong one does not compile.
    pub const SHAPE: PoolShape = PoolShape::new(C, (H, W), (HO, WO), (KH, KW), (SH, SW), (PH, PW));
}

/// One line of a net's layer table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// The module's name in PyTorch's `state_dict()`: `0.2` is the third module of the first block.
    pub module: &'static str,
    /// What the layer does: `conv 5×5`, `max_pool 3×3/2`.
    pub name: &'static str,
    /// Channels, rows and columns of its output.
    pub output: [usize; 3],
    /// Trainable parameters.
    pub params: usize,
    /// Multiply-adds for one image, counted as direct sums.
    pub macs: u64,
    /// Rows and columns of the image that one output value sees.
    pub receptive_field: [usize; 2],
    /// How its forward pass is computed; empty where there is nothing to choose.
    pub algorithm: &'static str,
}

/// The line as text, in columns.
#[cfg(feature = "alloc")]
impl fmt::Display for LayerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [c, h, w] = self.output;
        let [rows, columns] = self.receptive_field;
        let output = alloc::format!("{c}×{h}×{w}");
        let field = alloc::format!("{rows}×{columns}");
        write!(
            f,
            "{:<5} {:<16} {output:>12} {:>10} params {:>12} multiply-adds  sees {field:<9} {}",
            self.module, self.name, self.params, self.macs, self.algorithm
        )
    }
}
