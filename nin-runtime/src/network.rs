//! What the runtime and a generated net know of each other, and inference.

#[cfg(feature = "alloc")]
use crate::Init;
use crate::gemm::Operand;
use crate::simd::{Element, FlushDenormals, Format, kept, kept_mut, padded};
use crate::threads::Pace;
use crate::weights::Pretrained;
use crate::{Buffer, Context, DisjointMut, ParamInfo, Room};
#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use bytemuck::Zeroable;
use core::borrow::Borrow;
use core::marker::PhantomData;
use core::ops::Range;

/// A net that the compiler generated. Only generated code implements it.
pub trait Network: Sized + Send + Sync + 'static {
    /// The image that it reads.
    type Image: AsRef<[f32]>;
    /// Its logits: `[f32; CLASSES]`.
    type Logits: bytemuck::Pod + Send;
    /// What its weights and activations are kept as.
    type Store: Operand;
    /// Its classes.
    const CLASSES: usize;
    /// Its parameters and their places in the arena.
    const PARAMETERS: &'static [ParamInfo];
    /// Elements of the arena.
    const ARENA: usize;
    /// Elements of the transformed weights.
    const PREPARED: usize;
    /// Scratch for one image, as so many `f32`.
    const SCRATCH: usize;
    /// Images that inference takes through the net together.
    const TOGETHER: usize;
    /// Scratch for so many, as so many `f32`.
    const BATCH_SCRATCH: usize;

    /// Its weights.
    fn weights(&self) -> &Weights<Self>;
    /// Its weights, to change.
    fn weights_mut(&mut self) -> &mut Weights<Self>;
    /// Transforms the weights that inference reads transformed.
    fn prepare(cx: &Context, params: &[Self::Store], prepared: &mut [f32]);
    /// Computes the logits of `images`, at most [`TOGETHER`](Self::TOGETHER) of them.
    fn infer(
        cx: &Context,
        weights: &Weights<Self>,
        images: &[&[f32]],
        scratch: &mut [f32],
        logits: &mut [f32],
    );
}

/// What a net takes for an image of type `I`: the image itself, a reference to it, a box of it, and
/// whatever else borrows as one.
///
/// It is [`Borrow`] under another name, so that an image of another size gives an error that speaks of
/// images.
#[diagnostic::on_unimplemented(
    message = "the net reads images of type `{I}`, these are `{Self}`",
    label = "not images of the size that the net reads",
    note = "`Image<C, H, W>` has C channels, H rows and W columns, and a net reads those of its `input(C, H, W)`",
    note = "`Image::slice_from` sees a flat `&[f32]` as images, without a copy"
)]
pub trait ReadAs<I>: Borrow<I> {}

#[diagnostic::do_not_recommend]
impl<I, T: Borrow<I>> ReadAs<I> for T {}

/// A net's parameters and what is derived from them for inference.
pub struct Weights<N> {
    params: Buffer,
    prepared: Buffer,
    net: PhantomData<fn() -> N>,
}

#[cfg(feature = "alloc")]
impl<N> Clone for Weights<N> {
    fn clone(&self) -> Self {
        Self { params: self.params.clone(), prepared: self.prepared.clone(), net: PhantomData }
    }
}

impl<N: Network> Weights<N> {
    /// The arena, as so many `f32`: it has whole panels, so that nothing is cut off.
    const PARAMS: usize = N::ARENA * N::Store::FORMAT.size() / Format::F32.size();

    /// The bytes that they take.
    pub const BYTES: usize = Buffer::bytes(Self::PARAMS) + Buffer::bytes(N::PREPARED);

    /// The weights whose parameters are in `params`.
    fn of(params: Buffer, prepared: Buffer) -> Self {
        let mut weights = Self { params, prepared, net: PhantomData };
        weights.prepare(&Context::current());
        weights
    }

    /// Initial weights.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn new(init: Init, seed: u64) -> Self {
        let mut params = Buffer::zeros(Self::PARAMS);
        init.fill(N::PARAMETERS, seed, kept_mut::<N::Store>(&mut params));
        Self::of(params, Buffer::zeros(N::PREPARED))
    }

    /// The weights in a file that is part of the program.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn pretrained(file: &Pretrained) -> Self {
        let mut params = Buffer::zeros(Self::PARAMS);
        file.unpack(kept_mut::<N::Store>(&mut params));
        Self::of(params, Buffer::zeros(N::PREPARED))
    }

    /// The weights in a file that is part of the program, in the memory of a room; `None` if it has been
    /// taken.
    ///
    /// # Panics
    /// If the room has less than [`BYTES`](Self::BYTES).
    #[must_use]
    pub fn pretrained_in<const BYTES: usize>(
        file: &Pretrained,
        room: &'static Room<BYTES>,
    ) -> Option<Self> {
        let (params, prepared) = room.take()?.split_at_mut(Self::PARAMS);
        file.unpack(kept_mut::<N::Store>(params));
        Some(Self::of(Buffer::lent(params), Buffer::lent(&mut prepared[..N::PREPARED])))
    }

    /// Reads weights from a `.safetensors` file.
    ///
    /// # Errors
    /// If the file cannot be read or does not fit the net.
    #[cfg(feature = "std")]
    pub fn load(path: &std::path::Path) -> crate::Result<Self> {
        let mut params = Buffer::zeros(Self::PARAMS);
        crate::weights::load(path, N::PARAMETERS, kept_mut::<N::Store>(&mut params))?;
        Ok(Self::of(params, Buffer::zeros(N::PREPARED)))
    }

    /// Reads weights from the bytes of a `.safetensors` file.
    ///
    /// # Errors
    /// If the bytes do not fit the net.
    #[cfg(feature = "alloc")]
    pub fn from_bytes(bytes: &[u8]) -> crate::Result<Self> {
        let mut params = Buffer::zeros(Self::PARAMS);
        crate::weights::from_bytes(bytes, N::PARAMETERS, kept_mut::<N::Store>(&mut params))?;
        Ok(Self::of(params, Buffer::zeros(N::PREPARED)))
    }

    /// Writes the weights to a `.safetensors` file; the old file stays whole until the new one is.
    ///
    /// # Errors
    /// If the file cannot be written.
    #[cfg(feature = "std")]
    pub fn save(&self, path: &std::path::Path) -> crate::Result<()> {
        crate::weights::save(path, N::PARAMETERS, kept::<N::Store>(&self.params))
    }

    /// The arena of parameters and the transformed weights.
    #[must_use]
    pub fn parts(&self) -> (&[N::Store], &[f32]) {
        (kept(&self.params), &self.prepared)
    }

    /// Lets `change` write to the arena, then brings what is derived from it up to date.
    pub fn change(&mut self, cx: &Context, change: impl FnOnce(&mut [N::Store])) {
        change(kept_mut(&mut self.params));
        self.prepare(cx);
    }

    fn prepare(&mut self, cx: &Context) {
        N::prepare(cx, kept(&self.params), &mut self.prepared);
    }
}

/// Memory that a forward pass works in. Make it once, use it for every image.
pub struct Scratch<N> {
    memory: Buffer,
    pace: Pace,
    net: PhantomData<fn() -> N>,
}

impl<N: Network> Scratch<N> {
    /// Memory for the net's forward pass.
    #[cfg(feature = "alloc")]
    #[expect(clippy::new_without_default, reason = "a net's own `scratch` is the way to it")]
    #[must_use]
    pub fn new() -> Self {
        Self::of(Buffer::zeros(N::SCRATCH))
    }

    /// A room as memory for the net's forward pass; `None` if it has been taken.
    ///
    /// # Panics
    /// If the room is too small.
    #[must_use]
    pub fn new_in<const BYTES: usize>(room: &'static Room<BYTES>) -> Option<Self> {
        Some(Self::of(Buffer::lent(&mut room.take()?[..N::SCRATCH])))
    }

    fn of(memory: Buffer) -> Self {
        Self { memory, pace: Pace::default(), net: PhantomData }
    }
}

/// Memory that forward passes of many images work in, for each of the threads that are there when it
/// is made.
#[cfg(feature = "alloc")]
pub struct BatchScratch<N> {
    /// Each thread's own.
    lanes: Vec<Buffer>,
    net: PhantomData<fn() -> N>,
}

#[cfg(feature = "alloc")]
impl<N: Network> BatchScratch<N> {
    /// Memory for the net's forward passes on the threads that are there now.
    #[expect(clippy::new_without_default, reason = "a net's own `batch_scratch` is the way to it")]
    #[must_use]
    pub fn new() -> Self {
        let cx = Context::current();
        let mut lanes = alloc::vec![Buffer::zeros(0); cx.threads()];
        let each = DisjointMut::new(&mut lanes);
        // Each thread writes the first zeros of its own memory, lest it fetch them from another's cache.
        cx.for_each(each.len(), usize::MAX, |lane| {
            // SAFETY: each thread has its own lane.
            let memory = unsafe { each.part(lane..lane + 1) };
            memory[0] = Buffer::zeros(N::BATCH_SCRATCH);
        });
        Self { lanes, net: PhantomData }
    }
}

/// The logits of one image; all threads share each layer, where that pays.
pub fn forward<N: Network>(net: &N, image: &N::Image, scratch: &mut Scratch<N>) -> N::Logits {
    let _flush = FlushDenormals::new();
    let mut logits = N::Logits::zeroed();
    let flat = bytemuck::cast_slice_mut(core::slice::from_mut(&mut logits));
    let Scratch { memory, pace, .. } = scratch;
    pace.start(1);
    pace.run(|cx| {
        N::infer(cx, net.weights(), &[image.as_ref()], memory, flat);
    });
    logits
}

/// The logits of many images, each to the bit as [`forward`] gives them: every thread takes its images
/// through the whole net, and then aids those that are not done.
///
/// # Panics
/// If there are not as many logits as images.
#[cfg(feature = "alloc")]
pub fn forward_batch_into<N: Network, I: ReadAs<N::Image> + Sync>(
    net: &N,
    images: &[I],
    logits: &mut [N::Logits],
    scratch: &mut BatchScratch<N>,
) {
    assert_eq!(images.len(), logits.len(), "each image has its logits");
    let cx = Context::current();
    // With fewer images than threads, these share each layer instead.
    let shared = images.len() < scratch.lanes.len();
    let lanes = if shared { 1 } else { scratch.lanes.len() };
    let memory = DisjointMut::new(&mut scratch.lanes);
    let logits = DisjointMut::new(logits);
    let infer = |cx: &Context, lane: usize| {
        // SAFETY: each lane has its own memory.
        let memory = unsafe { memory.part(lane..lane + 1) };
        let share = share(images.len(), lanes, lane);
        // SAFETY: the lanes' shares do not overlap.
        let logits = unsafe { logits.part(share.clone()) };
        let groups = images[share].chunks(N::TOGETHER).zip(logits.chunks_mut(N::TOGETHER));
        for (images, logits) in groups {
            infer_group(cx, net, images, &mut memory[0], logits);
        }
    };
    match shared {
        true => infer(&cx, 0),
        false => cx.for_each_lane(lanes, infer),
    }
}

/// Takes at most [`Network::TOGETHER`] images through the net.
#[cfg(feature = "alloc")]
fn infer_group<N: Network, I: ReadAs<N::Image>>(
    cx: &Context,
    net: &N,
    images: &[I],
    memory: &mut [f32],
    logits: &mut [N::Logits],
) {
    with_references::<N, I, _>(images, |images| {
        N::infer(cx, net.weights(), images, memory, bytemuck::cast_slice_mut(logits));
    });
}

/// The most images that go through a net, or a pass of training, together.
pub const MAX_TOGETHER: usize = 64;

/// Calls `f` with the pixels of at most [`MAX_TOGETHER`] images, which takes no allocation. What `f`
/// computes takes denormals as zero; the code that the images borrow by does not.
pub(crate) fn with_references<N: Network, I: ReadAs<N::Image>, R>(
    images: &[I],
    f: impl FnOnce(&[&[f32]]) -> R,
) -> R {
    let mut references: [&[f32]; MAX_TOGETHER] = [&[]; MAX_TOGETHER];
    for (reference, image) in references.iter_mut().zip(images) {
        *reference = image.borrow().as_ref();
    }
    let _flush = FlushDenormals::new();
    f(&references[..images.len()])
}

/// The share of `lane` in `count` things, of which lanes get equally many or one more.
#[cfg(feature = "alloc")]
fn share(count: usize, lanes: usize, lane: usize) -> Range<usize> {
    count * lane / lanes..count * (lane + 1) / lanes
}

/// The logits of many images in memory of their own.
#[cfg(feature = "alloc")]
#[must_use]
pub fn forward_batch<N: Network, I: ReadAs<N::Image> + Sync>(
    net: &N,
    images: &[I],
) -> Vec<N::Logits> {
    let mut logits = alloc::vec![N::Logits::zeroed(); images.len()];
    forward_batch_into(net, images, &mut logits, &mut BatchScratch::new());
    logits
}

/// The parts of `memory` at the given places of the memory plan, for `n` images.
///
/// # Panics
/// If the parts overlap or lie outside: the compiler's plan has a mistake then.
pub fn regions<const K: usize>(
    memory: &mut [f32],
    n: usize,
    places: [Range<usize>; K],
) -> [&mut [f32]; K] {
    image_regions(memory, n, 0..n, places)
}

/// The single images of `n`.
pub fn singles(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).map(|image| image..image + 1)
}

/// What some images have of the [`regions`] for `n` images.
///
/// # Panics
/// If parts overlap or lie outside, as above.
pub fn image_regions<const K: usize>(
    memory: &mut [f32],
    n: usize,
    images: Range<usize>,
    places: [Range<usize>; K],
) -> [&mut [f32]; K] {
    let places = places.map(|place| {
        let start = n * place.start + images.start * place.len();
        start..start + images.len() * place.len()
    });
    memory.get_disjoint_mut(places).expect("the parts of the memory plan do not overlap")
}

/// Brings planar images to channels last, for nets whose first layer is no convolution.
///
/// images: `(c, h, w)` each; x: `(n, h, w, padded(c))`.
///
/// # Panics
/// If a slice has another length.
pub fn arrange_images<T: Element>(
    cx: &Context,
    n: usize,
    (c, h, w): (usize, usize, usize),
    images: &[&[f32]],
    x: &mut [T],
) {
    let len = h * w * padded(c);
    assert_eq!(x.len(), n * len, "activations of {n} images of {c}×{h}×{w}");
    let x = DisjointMut::new(x);
    cx.for_each(n, n * len, |image| {
        // SAFETY: each task has its own image.
        let x = unsafe { x.part(image * len..(image + 1) * len) };
        let image = images[image];
        assert_eq!(image.len(), c * h * w, "an image of {c}×{h}×{w}");
        for (pixel, x) in x.chunks_exact_mut(padded(c)).enumerate() {
            x.fill(T::from_f32(0.0));
            for (channel, x) in x[..c].iter_mut().enumerate() {
                *x = T::from_f32(image[channel * h * w + pixel]);
            }
        }
    });
}

/// A net in a line: its parameters are too many to print.
///
/// # Errors
/// Those of the formatter.
pub fn debug<N: Network>(f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
    let name = core::any::type_name::<N>();
    let params: usize = N::PARAMETERS.iter().map(ParamInfo::len).sum();
    write!(f, "{name}: {params} parameters, {} classes", N::CLASSES)
}
