//! What inference and training emit alike: a layer's forward call, and the checks of sizes.

use std::ops::Range;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::names::{Names, rowwise};
use crate::net::{ConvParams, Format, Layer, Net, Op};
use crate::plan::{ConvPlan, LANES, LayerPlan, Method, Plan};

/// A range as an expression.
pub(super) fn range(range: &Range<usize>) -> TokenStream {
    let Range { start, end } = range;
    quote!(#start..#end)
}

/// The places of weights and bias in the arena, as expressions.
pub(super) fn places(params: &ConvParams) -> [TokenStream; 2] {
    params.places().each_ref().map(range)
}

/// A forward call with `x`, `y` and `work` in scope, of a layer and of pointwise ones that are computed with it.
pub(super) fn forward(
    (layer, next): (&Layer, &[Layer]),
    i: usize,
    conv: Option<&ConvPlan>,
    names: &Names<'_>,
    work: &TokenStream,
) -> TokenStream {
    match (&layer.op, conv) {
        (Op::Conv { relu, params, .. }, Some(plan)) => {
            let name = names.layer(i);
            let source = source(i);
            let [weights, bias] = places(params);
            let call = match plan.forward {
                Method::Direct | Method::Sparse if next.is_empty() => {
                    quote!(direct(cx, &params[#weights], y, #work))
                }
                Method::Direct | Method::Sparse => {
                    let next = pointwise(i + 1, next, names);
                    quote!(mlp(cx, &params[#weights], #next, y, #work))
                }
                Method::Rowwise(tile) => {
                    let (rowwise, prepared) = (rowwise(tile), range(&plan.prepared));
                    let next = pointwise(i + 1, next, names);
                    quote!(rowwise::<#rowwise>(cx, &prepared[#prepared], #next, y, #work))
                }
                Method::Winograd(tile) => {
                    let tile = names.tile(tile);
                    let prepared = range(&plan.prepared);
                    quote!(winograd::<#tile>(cx, &prepared[#prepared], y, #work))
                }
            };
            quote! {
                let pass = rt::Forward {
                    shape: &#name::SHAPE, n, x: #source, bias: &params[#bias], relu: #relu
                };
                pass.#call;
            }
        }
        (Op::MaxPool { .. }, _) => {
            let name = names.layer(i);
            quote!(rt::max_pool_forward(cx, n, &#name::SHAPE, x, y);)
        }
        (Op::AvgPool { .. }, _) => {
            let name = names.layer(i);
            quote!(rt::avg_pool_forward(cx, n, &#name::SHAPE, x, y);)
        }
        (Op::GlobalAvgPool, _) => {
            let (c, h, w) = (layer.input.c, layer.input.h, layer.input.w);
            quote!(rt::global_avg_pool_forward(cx, n, (#c, #h, #w), x, logits);)
        }
        (Op::Conv { .. } | Op::Dropout { .. }, _) => TokenStream::new(),
    }
}

/// Pointwise layers from number `first` on.
fn pointwise(first: usize, layers: &[Layer], names: &Names<'_>) -> TokenStream {
    let layers = layers.iter().enumerate().filter_map(|(i, layer)| {
        let Op::Conv { relu, params, .. } = &layer.op else { return None };
        let name = names.layer(first + i);
        let [weights, bias] = places(params);
        Some(quote! {
            rt::Pointwise {
                shape: &#name::SHAPE, weights: &params[#weights], bias: &params[#bias], relu: #relu
            }
        })
    });
    quote!(&[#(#layers),*])
}

/// What layer `i` reads, with `images` or `x` in scope.
pub(super) fn source(i: usize) -> TokenStream {
    if i == 0 { quote!(rt::Source::Images(images)) } else { quote!(rt::Source::Activations(x)) }
}

/// The type that weights and activations are kept as.
pub(super) fn store(storage: Format) -> TokenStream {
    match storage {
        Format::F32 => quote!(f32),
        Format::F16 => quote!(rt::f16),
        Format::Bf16 => quote!(rt::bf16),
    }
}

/// What the parts of a memory plan are parts of.
#[derive(Clone, Copy)]
pub(super) enum Memory {
    /// The scratch of inference.
    Scratch,
    /// What is kept of images that went through the first layers alone.
    Kept,
    /// The memory of training, for a lane's images.
    Lane,
    /// What `image` has in it.
    Single,
    /// Gradients that are needed for an image at a time.
    Brief,
}

impl Memory {
    fn regions(self, places: &[TokenStream]) -> TokenStream {
        match self {
            Self::Scratch => quote!(rt::regions(scratch, n, [#(#places),*])),
            Self::Kept => quote!(rt::regions(kept, n, [#(#places),*])),
            Self::Lane => quote!(rt::regions(lane.memory, n, [#(#places),*])),
            Self::Single => {
                quote!(rt::image_regions(lane.memory, n, image.start..image.end, [#(#places),*]))
            }
            Self::Brief => quote!(rt::regions(lane.brief, n, [#(#places),*])),
        }
    }
}

/// `let [x, y] = rt::regions(memory, n, […]);`, and `x` and `y` seen as what activations are kept as.
pub(super) fn regions(
    storage: Format,
    memory: Memory,
    parts: &[(&str, &Range<usize>)],
) -> TokenStream {
    if parts.is_empty() {
        return TokenStream::new();
    }
    let all = parts.iter().map(|(name, _)| format_ident!("{name}"));
    let places: Vec<_> = parts.iter().map(|(_, place)| range(place)).collect();
    let regions = memory.regions(&places);
    let activations = parts.iter().filter(|(name, _)| matches!(*name, "x" | "y"));
    let activations: Vec<_> = activations.map(|(name, _)| format_ident!("{name}")).collect();
    let seen = (storage.is_narrow() && !activations.is_empty()).then(|| {
        let store = store(storage);
        quote!(let [#(#activations),*] = [#(#activations),*].map(rt::kept_mut::<#store>);)
    });
    quote! {
        let [#(#all),*] = #regions;
        #seen
    }
}

/// What the passes of training take of the work space: the methods of the shape that tell it, with arguments, times
/// the lanes that have as much at a time.
fn train_work_of(
    i: usize,
    step: &LayerPlan,
    conv: &ConvPlan,
    group: usize,
    names: &Names<'_>,
) -> Vec<TokenStream> {
    let lane = group.div_ceil(LANES);
    let images = |singly: bool| if singly { 1 } else { lane };
    let (forward, backward) = (images(step.forward_singly), images(step.backward_singly));
    let store = store(names.storage());
    let reads = if i == 0 { quote!(f32) } else { store.clone() };
    let in_lanes = |method: TokenStream| quote!(#method * rt::LANES);
    let mut all = vec![
        in_lanes(match conv.forward {
            Method::Direct | Method::Sparse => quote!(direct_work::<#reads>(#forward)),
            Method::Winograd(tile) => {
                let tile = names.tile(tile);
                quote!(winograd_work::<#tile>(#forward))
            }
            Method::Rowwise(tile) => {
                let (m, t) = (tile.columns.m, tile.columns.tile());
                quote!(rowwise_work(#m, #t))
            }
        }),
        match conv.weight_gradient {
            Method::Direct => in_lanes(quote!(direct_weight_gradient_work::<#reads>(#backward))),
            Method::Sparse => in_lanes(quote!(sparse_weight_gradient_work::<#store>(#backward))),
            Method::Winograd(tile) => {
                let tile = names.tile(tile);
                quote!(winograd_weight_gradient_work::<#tile>(#group))
            }
            Method::Rowwise(_) => unreachable!("no gradient is computed row by row"),
        },
    ];
    if step.dx.is_some() {
        match conv.input_gradient {
            Method::Direct => all.push(in_lanes(quote!(direct_input_gradient_work(#backward)))),
            Method::Sparse => {}
            Method::Winograd(tile) => {
                let tile = names.tile(tile);
                all.push(in_lanes(quote!(winograd_input_gradient_work::<#tile>(#backward))));
            }
            Method::Rowwise(_) => unreachable!("no gradient is computed row by row"),
        }
    }
    all
}

/// Assertions that the runtime counts as the plan does.
pub(super) fn checks(net: &Net, plan: &Plan, names: &Names<'_>) -> TokenStream {
    let panel = crate::net::PANEL;
    let (group, together) = (plan.train.group, plan.together);
    let mut checks = vec![quote!(::core::assert!(rt::PANEL == #panel);)];
    checks.push(
        quote!(::core::assert!(#group <= rt::MAX_TOGETHER && #together <= rt::MAX_TOGETHER);),
    );
    let train_work = plan.train.work;
    for (i, (layer, step)) in net.layers.iter().zip(&plan.layers).enumerate() {
        let (Op::Conv { params, .. }, Some(conv)) = (&layer.op, &step.conv) else { continue };
        let name = names.layer(i);
        let (weights, bias) = (params.weight_len, params.bias_len);
        let work = conv.work.len();
        if conv.weight_gradient == Method::Sparse {
            checks.push(quote!(::core::assert!(#name::SHAPE.has_sparse_gradients());));
        }
        for work in train_work_of(i, step, conv, group, names) {
            checks.push(quote!(::core::assert!(#name::SHAPE.#work <= #train_work);));
        }
        checks.push(quote! {
            ::core::assert!(#name::SHAPE.weights_len() == #weights && #name::SHAPE.bias_len() == #bias);
        });
        if step.follows {
            continue;
        }
        let next = (i + 1..=i + step.next).map(|i| names.layer(i));
        let pixels = conv.least_pixels;
        let mlp = (step.next > 0)
            .then(|| quote!(+ #name::SHAPE.mlp_work(&[#(&#next::SHAPE),*], #pixels)));
        checks.push(match conv.forward {
            Method::Direct | Method::Sparse => {
                let reads = if i == 0 { quote!(f32) } else { store(net.options.storage) };
                quote!(::core::assert!(#name::SHAPE.direct_work::<#reads>(1) #mlp == #work);)
            }
            Method::Rowwise(tile) => {
                let (m, t) = (tile.columns.m, tile.columns.tile());
                let prepared = conv.prepared.len();
                quote! {
                    ::core::assert!(#name::SHAPE.rowwise_work(#m, #t) #mlp == #work);
                    ::core::assert!(#name::SHAPE.rowwise_weights_len(#t) == #prepared);
                }
            }
            Method::Winograd(tile) => {
                let tile = names.tile(tile);
                let prepared = conv.prepared.len();
                quote! {
                    ::core::assert!(#name::SHAPE.winograd_work::<#tile>(1) == #work);
                    ::core::assert!(#name::SHAPE.winograd_weights_len::<#tile>() == #prepared);
                }
            }
        });
    }
    quote! {
        // The runtime counts as the compiler did.
        const _: () = { #(#checks)* };
    }
}
