//! The `Network` impl: tables, the transforms of weights, and the forward pass.

use std::ops::Range;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::layer::{self, Memory};
use super::names::{Names, rowwise};
use crate::net::{Net, Op};
use crate::plan::{Method, Plan};

pub(super) fn network(name: &Ident, net: &Net, plan: &Plan, names: &Names<'_>) -> TokenStream {
    let (c, h, w) = (net.input.c, net.input.h, net.input.w);
    let classes = net.classes();
    let Plan { prepared, scratch, together, batch_scratch, .. } = plan;
    let arena = net.arena_len;
    let parameters = parameters(net);
    let store = layer::store(net.options.storage);
    let prepare = prepare(net, plan, names);
    let infer = infer(net, plan, names);
    quote! {
        impl rt::Network for #name {
            type Image = rt::Image<#c, #h, #w>;
            type Logits = [f32; #classes];
            type Store = #store;
            const CLASSES: usize = #classes;
            const PARAMETERS: &'static [rt::ParamInfo] = &[#(#parameters),*];
            const ARENA: usize = #arena;
            const PREPARED: usize = #prepared;
            const SCRATCH: usize = #scratch;
            const TOGETHER: usize = #together;
            const BATCH_SCRATCH: usize = #batch_scratch;

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
        let name = names.layer(i);
        let ([weights, _], prepared) = (layer::places(params), layer::range(&conv.prepared));
        let transform = match conv.forward {
            Method::Winograd(tile) => {
                let tile = names.tile(tile);
                quote!(winograd_weights::<#tile>)
            }
            Method::Rowwise(tile) => {
                let rowwise = rowwise(tile);
                quote!(rowwise_weights::<#rowwise>)
            }
            Method::Direct | Method::Sparse => continue,
        };
        calls.push(quote! {
            #name::SHAPE.#transform(cx, &params[#weights], &mut prepared[#prepared]);
        });
    }
    let arguments = if calls.is_empty() {
        let store = layer::store(net.options.storage);
        quote!(_cx: &rt::Context, _params: &[#store], _prepared: &mut [f32])
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
    let storage = net.options.storage;
    let mut blocks = Vec::new();
    if let Some(place) = &plan.arranged {
        let (c, h, w) = (net.input.c, net.input.h, net.input.w);
        let regions = layer::regions(storage, Memory::Scratch, &[("x", &place.infer)]);
        blocks.push(quote! {
            #regions
            rt::arrange_images(cx, n, (#c, #h, #w), images, x);
        });
    }
    let of = |layers: Range<usize>| -> Vec<TokenStream> {
        let computed = layers.filter(|&i| {
            !plan.layers[i].follows && !matches!(net.layers[i].op, Op::Dropout { .. })
        });
        computed.map(|i| infer_layer(i, net, plan, names)).collect()
    };
    let alone = of(0..plan.alone);
    blocks.extend(of(plan.alone..net.layers.len()));
    let kept = plan.kept;
    let alone = (!alone.is_empty()).then(|| {
        quote! {
            let (kept, scratch) = scratch.split_at_mut(n * #kept);
            for image in rt::singles(n) {
                let kept = &mut kept[image.start * #kept..image.end * #kept];
                let (n, images) = (1, &images[image.start..image.end]);
                #({ #alone })*
            }
        }
    });
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
            #alone
            #({ #blocks })*
        }
    }
}

/// The call of a layer and of those that are computed with it, with its operands.
fn infer_layer(i: usize, net: &Net, plan: &Plan, names: &Names<'_>) -> TokenStream {
    let (first, last) = (&plan.layers[i], &plan.layers[i + plan.layers[i].next]);
    let conv = first.conv.as_ref().filter(|conv| !conv.work.is_empty());
    let work = conv.map(|conv| ("work", &conv.work));
    let activations = [("x", &first.x), ("y", &last.y)];
    let activations = activations.map(|(name, place)| place.as_ref().map(|place| (name, place)));
    let of = |kept: bool| {
        let places = activations.into_iter().flatten().filter(move |(_, place)| place.kept == kept);
        places.map(|(name, place)| (name, &place.infer))
    };
    let own: Vec<_> = of(false).chain(work).collect();
    let kept: Vec<_> = of(true).collect();
    let own = layer::regions(names.storage(), Memory::Scratch, &own);
    let kept = layer::regions(names.storage(), Memory::Kept, &kept);
    let work = if work.is_some() { quote!(work) } else { quote!(&mut []) };
    let next = &net.layers[i + 1..=i + first.next];
    let call = layer::forward((&net.layers[i], next), i, first.conv.as_ref(), names, &work);
    quote!(#own #kept #call)
}

/// The pattern for the parts of the weights that the forward pass reads.
fn uses(plan: &Plan) -> TokenStream {
    if plan.prepared == 0 { quote!((params, _)) } else { quote!((params, prepared)) }
}
