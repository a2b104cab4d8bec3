//! What the user of a net sees: constants and methods.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::layer;
use crate::net::{Net, Op, Pretrained, Stored};
use crate::plan::Plan;

pub(super) fn items(name: &Ident, net: &Net, plan: &Plan) -> TokenStream {
    let constants = constants(net, plan);
    let inference = inference(net);
    let pretrained = net.pretrained.as_ref().map(|file| pretrained(name, file));
    let allocating = allocating(net);
    let files = files();
    quote! {
        impl #name {
            #constants
            #inference
        }

        #pretrained

        // What takes memory from the allocator is there if the runtime has its feature `alloc`.
        rt::if_alloc! {
            impl #name {
                #allocating
            }

            impl rt::Clone for #name {
                fn clone(&self) -> Self {
                    Self { weights: rt::Clone::clone(&self.weights) }
                }
            }
        }

        rt::if_std! {
            impl #name {
                #files
            }
        }

        impl rt::fmt::Debug for #name {
            fn fmt(&self, f: &mut rt::fmt::Formatter<'_>) -> rt::fmt::Result {
                rt::debug::<Self>(f)
            }
        }
    }
}

fn constants(net: &Net, plan: &Plan) -> TokenStream {
    let (c, h, w) = (net.input.c, net.input.h, net.input.w);
    let (classes, params, macs) = (net.classes(), net.params(), net.macs());
    let count = net.layers.len();
    let layers = layers(net, plan);
    quote! {
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
        /// Bytes of the net's weights in memory.
        pub const WEIGHTS_BYTES: usize = rt::Weights::<Self>::BYTES;
        /// Bytes of the memory that a forward pass works in.
        pub const SCRATCH_BYTES: usize = rt::Buffer::bytes(<Self as rt::Network>::SCRATCH);
    }
}

/// What needs no allocator.
fn inference(net: &Net) -> TokenStream {
    let store = layer::store(net.options.storage);
    let (c, h, w, classes) = (net.input.c, net.input.h, net.input.w, net.classes());
    quote! {
        /// A `static` as memory for [`forward`](Self::forward), without an allocator; `None` if it has
        /// been taken before.
        #[must_use]
        pub fn scratch_in(
            room: &'static rt::Room<{ Self::SCRATCH_BYTES }>,
        ) -> rt::Option<rt::Scratch<Self>> {
            rt::Scratch::new_in(room)
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

        /// All parameters as one slice, in the arena's layout; [`PARAMETERS`](Self::PARAMETERS)
        /// tells the places.
        #[must_use]
        pub fn parameters(&self) -> &[#store] {
            self.weights.parts().0
        }

        /// Lets `change` write to the parameters. The padding that the layout has beyond
        /// [`PARAMETERS`](Self::PARAMETERS) must stay zero.
        pub fn update(&mut self, change: impl rt::FnOnce(&mut [#store])) {
            self.weights.change(&rt::Context::current(), change);
        }
    }
}

/// The net with the weights of a file that becomes part of the program, and of what it depends on.
fn pretrained(name: &Ident, file: &Pretrained) -> TokenStream {
    let Pretrained { file, tensors } = file;
    let doc = format!("The net with the weights of `{file}`, which are part of the program.");
    let doc_in = format!(
        "{doc} A `static` is their memory, without an allocator; `None` if it has been taken before."
    );
    let path = match std::path::Path::new(file).is_absolute() {
        true => quote!(#file),
        false => quote!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #file)),
    };
    let count = tensors.len();
    let tensors = tensors.iter().map(|tensor| {
        let Stored { param, format } = tensor;
        let format = format_ident!("{format:?}");
        quote!(rt::Stored { param: #param, format: rt::Format::#format })
    });
    quote! {
        /// The file of weights, and its tensors in the order of their data.
        const PRETRAINED: rt::Pretrained = {
            const TENSORS: [rt::Stored; #count] = [#(#tensors),*];
            rt::Pretrained::new(::core::include_bytes!(#path), &TENSORS, #name::PARAMETERS)
        };

        impl #name {
            #[doc = #doc_in]
            #[must_use]
            pub fn pretrained_in(
                room: &'static rt::Room<{ Self::WEIGHTS_BYTES }>,
            ) -> rt::Option<Self> {
                let rt::Some(weights) = rt::Weights::pretrained_in(&PRETRAINED, room) else {
                    return rt::None;
                };
                rt::Some(Self { weights })
            }
        }

        rt::if_alloc! {
            impl #name {
                #[doc = #doc]
                #[must_use]
                pub fn pretrained() -> Self {
                    Self { weights: rt::Weights::pretrained(&PRETRAINED) }
                }
            }
        }
    }
}

/// What takes memory from the allocator.
fn allocating(net: &Net) -> TokenStream {
    let (c, h, w, classes) = (net.input.c, net.input.h, net.input.w, net.classes());
    quote! {
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

        /// A net with the weights in the bytes of a `.safetensors` file.
        ///
        /// # Errors
        /// If the bytes do not fit the net.
        pub fn from_bytes(bytes: &[u8]) -> rt::Result<Self> {
            rt::Weights::from_bytes(bytes).map(|weights| Self { weights })
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

        /// Bytes that a trainer for batches of at most `BATCH` images takes, with the optimizer `O`.
        #[must_use]
        pub const fn train_bytes<const BATCH: usize, O: rt::Optimizer>() -> usize {
            rt::Trainer::<Self, BATCH>::bytes::<O>()
        }
    }
}

/// What needs files.
fn files() -> TokenStream {
    quote! {
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
                (Op::Conv { .. }, Some(conv)) if net.options.storage.is_narrow() => {
                    format!("{}, {}", conv.forward, net.options.storage.name())
                }
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
