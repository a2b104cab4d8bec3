//! The names that generated code gives to geometries and transforms.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use crate::net::{Format, Net, Op, Shape, Window};
use crate::plan::{LayerPlan, Method, Plan, Tile};
use crate::winograd::{Size, transform_impl, transform_name};

/// Names of a net's types.
pub(super) struct Names<'a> {
    net: &'a Net,
    plan: &'a Plan,
    /// The tiles that some pass uses, each with the name of its type.
    tiles: BTreeMap<Tile, Ident>,
    /// The transforms that some pass uses along rows alone.
    rows: BTreeSet<Size>,
}

impl<'a> Names<'a> {
    pub(super) fn new(net: &'a Net, plan: &'a Plan) -> Self {
        let (mut tiles, mut rows) = (BTreeMap::new(), BTreeSet::new());
        for conv in plan.layers.iter().filter_map(|layer| layer.conv.as_ref()) {
            for method in [conv.forward, conv.weight_gradient, conv.input_gradient] {
                match method {
                    Method::Winograd(tile) => drop(tiles.insert(tile, tile_name(tile))),
                    Method::Rowwise(tile) => drop(rows.insert(tile.columns)),
                    Method::Direct | Method::Sparse => {}
                }
            }
        }
        Self { net, plan, tiles, rows }
    }

    /// What weights and activations are kept as.
    pub(super) fn storage(&self) -> Format {
        self.net.options.storage
    }

    /// The type of layer `i`'s geometry: `Conv0_2` for module `0.2`.
    pub(super) fn layer(&self, i: usize) -> Ident {
        let layer = &self.net.layers[i];
        let kind = if matches!(layer.op, Op::Conv { .. }) { "Conv" } else { "Pool" };
        format_ident!("{kind}{}", layer.module.replace('.', "_"))
    }

    /// The type of a tile.
    pub(super) fn tile(&self, tile: Tile) -> &Ident {
        &self.tiles[&tile]
    }

    /// An alias for the geometry of each convolution and pool.
    pub(super) fn types(&self) -> TokenStream {
        let layers = self.net.layers.iter().zip(&self.plan.layers).enumerate();
        let aliases = layers.filter_map(|(i, (layer, plan))| {
            let name = self.layer(i);
            let (input, output) = (plan.input, plan.output);
            let mut doc = format!(" `{}`, {}: {input} → {output}", layer.module, layer.name);
            if output != layer.output {
                doc.push_str(&format!(" of {}", layer.output));
            }
            doc.push('.');
            let geometry = geometry(&layer.op, plan, i == 0)?;
            Some(quote! {
                #[doc = #doc]
                type #name = #geometry;
            })
        });
        quote!(#(#aliases)*)
    }

    /// The transforms that the tiles are made of, and the tiles.
    pub(super) fn transforms(&self) -> TokenStream {
        let axes = self.tiles.keys().flat_map(|tile| [tile.rows, tile.columns]);
        let sizes: BTreeSet<Size> = axes.flat_map(|axis| [axis, axis.last()]).collect();
        let sizes = &sizes | &self.rows;
        let transforms =
            sizes.iter().map(|&size| transform_impl(&TokenStream::new(), &transform(size), size));
        let tiles = self.tiles.iter().map(|(tile, name)| {
            let tiles = tiles(*tile);
            quote!(type #name = #tiles;)
        });
        quote!(#(#tiles)* #(#transforms)*)
    }
}

/// The arguments of what computes along rows: a transform and its numbers.
pub(super) fn rowwise(tile: Tile) -> TokenStream {
    let (name, numbers) = (transform(tile.columns), numbers(tile.columns));
    quote!(#name, #numbers)
}

/// The numbers that a transform's type has.
fn numbers(size: Size) -> TokenStream {
    let (m, r, t) = (size.m, size.r, size.tile());
    quote!(#m, #r, #t)
}

/// `Tiles4x4Of5x5`, or `Tiles4x4Of5x5Then2x2` where the last are smaller.
fn tile_name(tile: Tile) -> Ident {
    let Tile { rows, columns } = tile;
    let name = format_ident!("Tiles{}x{}Of{}x{}", rows.m, columns.m, rows.r, columns.r);
    if !tile.is_ragged() {
        return name;
    }
    format_ident!("{name}Then{}x{}", rows.last().m, columns.last().m)
}

fn transform(size: Size) -> Ident {
    format_ident!("{}", transform_name(size))
}

/// Tiles as a type of the runtime.
fn tiles(tile: Tile) -> TokenStream {
    let Tile { rows, columns } = tile;
    let of = |rows: Size, columns: Size| {
        let (row_numbers, column_numbers) = (numbers(rows), numbers(columns));
        let (rows, columns) = (transform(rows), transform(columns));
        quote!(rt::Tiles<#rows, #columns, #row_numbers, #column_numbers>)
    };
    let whole = of(rows, columns);
    if !tile.is_ragged() {
        return whole;
    }
    let right = of(rows, columns.last());
    let bottom = of(rows.last(), columns);
    let corner = of(rows.last(), columns.last());
    quote!(rt::Ragged<#whole, #right, #bottom, #corner>)
}

/// The geometry of a convolution or pool as a type of the runtime.
fn geometry(op: &Op, plan: &LayerPlan, planar: bool) -> Option<TokenStream> {
    let (Shape { c, h, w }, Shape { c: co, h: ho, w: wo }) = (plan.input, plan.output);
    let numbers = |window: &Window| {
        let Window { kernel: (kh, kw), stride: (sh, sw), padding: (ph, pw) } = window;
        quote!(#kh, #kw, #sh, #sw, #ph, #pw)
    };
    match op {
        Op::Conv { window, .. } => {
            let window = numbers(window);
            Some(quote!(rt::Conv<#c, #h, #w, #co, #ho, #wo, #window, #planar>))
        }
        Op::MaxPool { window } | Op::AvgPool { window } => {
            let window = numbers(window);
            Some(quote!(rt::Pool<#c, #h, #w, #ho, #wo, #window>))
        }
        Op::Dropout { .. } | Op::GlobalAvgPool => None,
    }
}
