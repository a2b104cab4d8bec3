//! The `Network` impl: tables, the transforms of weights, and the forward pass.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::layer;
use super::names::Names;
use crate::net::{Net, Op};
use crate::plan::{Method, Plan};

pub(super) fn network(name: &Ident, net: &Net, plan: &Plan, names: &Names<'_>) -> TokenStream {
    let (c, h, w) = (net.input.c, net.input.h, net.input.w);
    let classes = net.classes();
    let Plan { prepared, scratch, together, .. } = plan;
    let arena = net.arena_len;
    let parameters = parameters(net);
    let prepare = prepare(net, plan, names);
    let infer = infer(net, plan, names);
    quote! {
        impl rt::Network for #name {
            type Image = rt::Image<#c, #h, #w>;
            type Logits = [f32; #classes];
            const CLASSES: usize = #classes;
            const PARAMETERS: &'static [rt::ParamInfo] = &[#(#parameters),*];
            const ARENA: usize = #arena;
            const PREPARED: usize = #prepared;
            const SCRATCH: usize = #scratch;
            const TOGETHER: usize = #together;

            fn weights(&self) -> &rt::Weights<Self> {
                &self.weights
            }

            fn weights_mut(&mut self) -> &mut rt::Weights<Self> {
                &mut self.weights
            }

            #prepare
            #infer
        }
    }
}

/// The table of parameters: names and shapes as in PyTorch, places in the arena.
fn parameters(net: &Net) -> Vec<TokenStream> {
    let mut table = Vec::new();
    for (i, layer) in net.layers.iter().enumerate() {
        let Op::Conv { window, params, .. } = &layer.op else { continue };
        let (ci, co, (kh, kw)) = (layer.input.c, layer.output.c, window.kernel);
        let (weight, bias) = (format!("{}.weight", layer.module), format!("{}.bias", layer.module));
        let (weight_at, bias_at) = (params.weight, params.bias);
        let order = if i == 0 { quote!(Planar) } else { quote!(ChannelsLast) };
        table.push(quote! {
            rt::ParamInfo { name: #weight, shape: &[#co, #ci, #kh, #kw], offset: #weight_at, order: rt::Order::#order }
        });
        table.push(quote! {
            rt::ParamInfo { name: #bias, shape: &[#co], offset: #bias_at, order: rt::Order::#order }
        });
    }
    table
}

fn prepare(net: &Net, plan: &Plan, names: &Names<'_>) -> TokenStream {
    let mut calls = Vec::new();
    for (i, (layer, plan)) in net.layers.iter().zip(&plan.layers).enumerate() {
        let (Op::Conv { params, .. }, Some(conv)) = (&layer.op, &plan.conv) else { continue };
        let Method::Winograd(tile) = conv.forward else { continue };
        let (name, tile) = (names.layer(i), names.tile(tile));
        let (weights, prepared) =
            (layer::range(&layer::places(params).0), layer::range(&conv.prepared));
        calls.push(quote! {
            #name::SHAPE.winograd_weights::<#tile>(cx, &params[#weights], &mut prepared[#prepared]);
        });
    }
    let arguments = if calls.is_empty() {
        quote!(_cx: &rt::Context, _params: &[f32], _prepared: &mut [f32])
    } else {
        quote!(cx: &rt::Context, params: &[f32], prepared: &mut [f32])
    };
    quote! {
        fn prepare(#arguments) {
            #(#calls)*
        }
    }
}

fn infer(net: &Net, plan: &Plan, names: &Names<'_>) -> TokenStream {
    let mut blocks = Vec::new();
    if let Some(place) = &plan.arranged {
        let (c, h, w) = (net.input.c, net.input.h, net.input.w);
        let place = layer::range(&place.infer);
        blocks.push(quote! {
            let [x] = rt::regions(scratch, n, [#place]);
            rt::arrange_images(cx, n, (#c, #h, #w), images, x);
        });
    }
    for (i, (layer, plan)) in net.layers.iter().zip(&plan.layers).enumerate() {
        if matches!(layer.op, Op::Dropout { .. }) {
            continue;
        }
        let mut regions = Vec::new();
        let mut add = |name: TokenStream, place: &std::ops::Range<usize>| {
            regions.push((name, layer::range(place)));
        };
        if let Some(x) = &plan.x {
            add(quote!(x), &x.infer);
        }
        if let Some(y) = &plan.y {
            add(quote!(y), &y.infer);
        }
        let mut work = quote!(&mut []);
        if let Some(conv) = plan.conv.as_ref().filter(|conv| !conv.work.is_empty()) {
            add(quote!(work), &conv.work);
            work = quote!(work);
        }
        let (variables, places): (Vec<_>, Vec<_>) = regions.into_iter().unzip();
        let call = layer::forward(layer, i, plan.conv.as_ref(), names, &work);
        blocks.push(quote! {
            let [#(#variables),*] = rt::regions(scratch, n, [#(#places),*]);
            #call
        });
    }
    let parts = uses(plan);
    quote! {
        fn infer(
            cx: &rt::Context,
            weights: &rt::Weights<Self>,
            images: &[&[f32]],
            scratch: &mut [f32],
            logits: &mut [f32],
        ) {
            let n = images.len();
            let #parts = weights.parts();
            #({ #blocks })*
        }
    }
}

/// The pattern for the parts of the weights that the forward pass reads.
fn uses(plan: &Plan) -> TokenStream {
    if plan.prepared == 0 { quote!((params, _)) } else { quote!((params, prepared)) }
}
