//! What the user of a net sees: constants and methods.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use crate::net::{Net, Op};
use crate::plan::Plan;

pub(super) fn items(name: &Ident, net: &Net, plan: &Plan) -> TokenStream {
    let (c, h, w) = (net.input.c, net.input.h, net.input.w);
    let (classes, params, macs) = (net.classes(), net.params(), net.macs());
    let count = net.layers.len();
    let layers = layers(net, plan);
    let pretrained = net.options.weights.as_deref().map(pretrained);
    quote! {
        impl #name {
            /// Channels, rows and columns of the images that the net reads.
            pub const INPUT: [usize; 3] = [#c, #h, #w];
            /// The classes that the net tells apart: the length of its logits.
            pub const CLASSES: usize = #classes;
            /// Trainable parameters.
            pub const PARAMS: usize = #params;
            /// Multiply-adds of one image's forward pass, counted as direct sums.
            pub const MACS: u64 = #macs;
            /// The layers, one line each.
            pub const LAYERS: &'static [rt::LayerInfo] = &{
                const LAYERS: [rt::LayerInfo; #count] = [#(#layers),*];
                LAYERS
            };
            /// The parameters under PyTorch's names, and their places in the arena.
            pub const PARAMETERS: &'static [rt::ParamInfo] = <Self as rt::Network>::PARAMETERS;
            /// Bytes of the memory that a forward pass works in.
            pub const SCRATCH_BYTES: usize = rt::Buffer::bytes(<Self as rt::Network>::SCRATCH);

            /// A net with random weights: Xavier-uniform, and biases of zero.
            #[must_use]
            pub fn new(seed: u64) -> Self {
                Self::with_init(rt::Init::XavierUniform, seed)
            }

            /// A net with random weights of the given kind, and biases of zero.
            #[must_use]
            pub fn with_init(init: rt::Init, seed: u64) -> Self {
                Self { weights: rt::Weights::new(init, seed) }
            }

            /// Memory for [`forward`](Self::forward): make it once, use it for every image.
            #[must_use]
            pub fn scratch() -> rt::Scratch<Self> {
                rt::Scratch::new()
            }

            /// Memory for [`forward_batch_into`](Self::forward_batch_into), for the threads that are
            /// there now.
            #[must_use]
            pub fn batch_scratch() -> rt::BatchScratch<Self> {
                rt::BatchScratch::new()
            }

            /// The logits of one image. Allocates nothing.
            #[must_use]
            pub fn forward(
                &self,
                image: &rt::Image<#c, #h, #w>,
                scratch: &mut rt::Scratch<Self>,
            ) -> [f32; #classes] {
                rt::forward(self, image, scratch)
            }

            /// The logits of many images, each to the bit as [`forward`](Self::forward) gives them.
            #[must_use]
            pub fn forward_batch<I: rt::ReadAs<rt::Image<#c, #h, #w>> + rt::Sync>(
                &self,
                images: &[I],
            ) -> rt::Vec<[f32; #classes]> {
                rt::forward_batch(self, images)
            }

            /// The logits of many images, into memory that is there already. Allocates nothing.
            ///
            /// # Panics
            /// If there are not as many logits as images.
            pub fn forward_batch_into<I: rt::ReadAs<rt::Image<#c, #h, #w>> + rt::Sync>(
                &self,
                images: &[I],
                logits: &mut [[f32; #classes]],
                scratch: &mut rt::BatchScratch<Self>,
            ) {
                rt::forward_batch_into(self, images, logits, scratch);
            }

            /// Trains this net on batches of at most `BATCH` images; the masks of dropout follow
            /// from `seed`.
            #[must_use]
            pub fn trainer<const BATCH: usize>(
                optimizer: impl rt::Into<rt::AnyOptimizer>,
                seed: u64,
            ) -> rt::Trainer<Self, BATCH> {
                rt::Trainer::new(rt::Into::into(optimizer), seed)
            }

            /// Writes the weights to a `.safetensors` file, under the names of PyTorch's `state_dict()`.
            /// A file that is there stays whole until the new one is.
            ///
            /// # Errors
            /// If the file cannot be written.
            pub fn save(&self, path: impl rt::AsRef<rt::Path>) -> rt::Result<()> {
                self.weights.save(path.as_ref())
            }

            /// A net with the weights of a `.safetensors` file.
            ///
            /// # Errors
            /// If the file cannot be read or does not fit the net.
            pub fn load(path: impl rt::AsRef<rt::Path>) -> rt::Result<Self> {
                rt::Weights::load(path.as_ref()).map(|weights| Self { weights })
            }

            /// A net with the weights in the bytes of a `.safetensors` file.
            ///
            /// # Errors
            /// If the bytes do not fit the net.
            pub fn from_bytes(bytes: &[u8]) -> rt::Result<Self> {
                rt::Weights::from_bytes(bytes).map(|weights| Self { weights })
            }

            #pretrained

            /// All parameters as one slice, in the arena's layout; [`PARAMETERS`](Self::PARAMETERS)
            /// tells the places.
            #[must_use]
            pub fn parameters(&self) -> &[f32] {
                self.weights.parts().0
            }

            /// Lets `change` write to the parameters. The padding that the layout has beyond
            /// [`PARAMETERS`](Self::PARAMETERS) must stay zero.
            pub fn update(&mut self, change: impl rt::FnOnce(&mut [f32])) {
                self.weights.change(&rt::Context::current(), change);
            }

            /// Bytes that a trainer for batches of at most `BATCH` images takes, with the optimizer `O`.
            #[must_use]
            pub const fn train_bytes<const BATCH: usize, O: rt::Optimizer>() -> usize {
                rt::Trainer::<Self, BATCH>::bytes::<O>()
            }
        }

        impl rt::Clone for #name {
            fn clone(&self) -> Self {
                Self { weights: rt::Clone::clone(&self.weights) }
            }
        }

        impl rt::fmt::Debug for #name {
            fn fmt(&self, f: &mut rt::fmt::Formatter<'_>) -> rt::fmt::Result {
                rt::debug::<Self>(f)
            }
        }
    }
}

/// The net with the weights of a file that becomes part of the program, and of what it depends on.
fn pretrained(file: &str) -> TokenStream {
    let doc = format!("The net with the weights of `{file}`, which are part of the program.");
    let path = match std::path::Path::new(file).is_absolute() {
        true => quote!(#file),
        false => quote!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #file)),
    };
    quote! {
        #[doc = #doc]
        #[must_use]
        pub fn pretrained() -> Self {
            Self { weights: rt::Weights::pretrained(::core::include_bytes!(#path)) }
        }
    }
}

fn layers(net: &Net, plan: &Plan) -> Vec<TokenStream> {
    let layers = net.layers.iter().zip(&plan.layers);
    layers
        .map(|(layer, plan)| {
            let (module, name) = (&layer.module, &layer.name);
            let (c, h, w) = (layer.output.c, layer.output.h, layer.output.w);
            let (params, macs) = (layer.params, layer.macs);
            let (rows, columns) = layer.receptive_field;
            let algorithm = match (&layer.op, &plan.conv) {
                (Op::Conv { .. }, Some(conv)) => conv.forward.to_string(),
                _ => String::new(),
            };
            quote! {
                rt::LayerInfo {
                    module: #module,
                    name: #name,
                    output: [#c, #h, #w],
                    params: #params,
                    macs: #macs,
                    receptive_field: [#rows, #columns],
                    algorithm: #algorithm,
                }
            }
        })
        .collect()
}
