//! The one error type of the crate: data that says what was wrong and what was expected.

#[cfg(feature = "alloc")]
use alloc::string::String;

/// What can go wrong at run time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A flat buffer or array does not have the length of the shape it should be seen as.
    #[error(
        "expected {}{}×{}×{} = {} values, got {got}",
        if *many { "a multiple of " } else { "" },
        image[0],
        image[1],
        image[2],
        image.iter().product::<usize>(),
    )]
    Length {
        /// Channels, rows and columns of the image that was asked for.
        image: [usize; 3],
        /// Whether any number of such images would do.
        many: bool,
        /// The number of values that came.
        got: usize,
    },
    /// An array has another shape than the image.
    #[cfg(feature = "alloc")]
    #[error("expected an array of shape {expected}, got {got}")]
    Shape {
        /// The shape that was asked for.
        expected: String,
        /// The shape that came.
        got: String,
    },
    /// A batch is empty, too large, or has another number of labels than images.
    #[error(
        "a batch must have 1 to {max} images and as many labels, got {images} images and {labels} labels"
    )]
    Batch {
        /// The trainer's batch size.
        max: usize,
        /// Images that came.
        images: usize,
        /// Labels that came.
        labels: usize,
    },
    /// A label names no class.
    #[error("label {label} at position {position} is out of range: the net has {classes} classes")]
    Label {
        /// The label's place in the batch.
        position: usize,
        /// The label.
        label: usize,
        /// How many classes the net has.
        classes: usize,
    },
    /// The loss or its gradient is not finite; the net has the weights that it had before the step.
    #[error(
        "the loss is {loss}{}: training has diverged (try a lower learning rate, or look for NaN in the images); the weights are those of before this step",
        if loss.is_finite() { ", and its gradient not finite" } else { "" }
    )]
    Diverged {
        /// The loss: NaN or an infinity, or a number whose gradient has one of these.
        loss: f32,
    },
    /// A weight file does not fit the net.
    #[cfg(feature = "alloc")]
    #[error("{path}: {problem}")]
    Weights {
        /// The file, or what stands for it.
        path: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// A dataset file is not what it should be.
    #[cfg(feature = "alloc")]
    #[error("{path}: {problem}")]
    Dataset {
        /// The file.
        path: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// The operating system refused.
    #[cfg(feature = "std")]
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Results with this crate's [`enum@Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;
