//! The words of PyTorch and Keras: what each is called here, or why there is no such thing.

use super::call::{Argument, Call};
use super::literal::Value;
use super::words::{self, Name, fold};
use crate::source::Word;

/// What another framework's layer is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Ours(Name),
    /// A fully connected layer.
    Dense,
    /// A list of layers.
    Sequential,
    /// Not needed or not supported, and why.
    None(&'static str),
}

pub(super) fn layer(word: &str) -> Option<Layer> {
    let layer = match fold(word).as_str() {
        "input" | "inputlayer" | "image" | "inputshape" => Layer::Ours(Name::Input),
        "block" | "ninblock" | "mlpconv" | "nin" | "mlpconvblock" => Layer::Ours(Name::Block),
        "conv" | "conv2d" | "lazyconv2d" | "convolution" | "convolution2d" => {
            Layer::Ours(Name::Conv)
        }
        "maxpool" | "maxpool2d" | "maxpooling" | "maxpooling2d" => Layer::Ours(Name::MaxPool),
        "avgpool" | "avgpool2d" | "averagepooling2d" | "averagepool" | "meanpool" => {
            Layer::Ours(Name::AvgPool)
        }
        "dropout" | "dropout2d" => Layer::Ours(Name::Dropout),
        "globalavgpool"
        | "adaptiveavgpool2d"
        | "globalaveragepooling2d"
        | "globalavgpool2d"
        | "globalaveragepool"
        | "globalpool"
        | "gap" => Layer::Ours(Name::GlobalAvgPool),
        "linear" | "lazylinear" | "dense" | "fc" | "fullyconnected" => Layer::Dense,
        "sequential" => Layer::Sequential,
        "flatten" => Layer::None("global_avg_pool already gives one number per channel"),
        "relu" => {
            Layer::None("`block` and `conv` end in a ReLU; `conv(…, relu = false)` leaves it out")
        }
        "sigmoid" | "tanh" | "gelu" | "silu" | "elu" | "leakyrelu" | "activation" | "prelu" => {
            Layer::None(
                "the only activation here is the ReLU that `block` and `conv` have built in",
            )
        }
        "softmax" | "logsoftmax" => {
            Layer::None("the net gives logits, and the training loss takes the softmax of them")
        }
        "batchnorm" | "batchnorm2d" | "batchnormalization" | "layernorm" | "groupnorm"
        | "localresponsenorm" | "lrn" => {
            Layer::None("normalisation layers are not supported; a NiN trains without them")
        }
        "adaptivemaxpool2d" | "globalmaxpooling2d" | "globalmaxpool" => {
            Layer::None("a NiN ends in the average: `global_avg_pool`")
        }
        _ => return None,
    };
    Some(layer)
}

/// What another framework's argument is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Named(&'static str),
    /// It stands first, without a name.
    Positional,
    /// Not needed or not supported, and why.
    None(&'static str),
}

pub(super) fn argument(word: &str) -> Option<Meaning> {
    let meaning = match fold(word).as_str() {
        "kernelsize" | "kernelshape" | "ksize" | "filtersize" => Meaning::Named("kernel"),
        "strides" => Meaning::Named("stride"),
        "pad" | "pads" | "paddings" => Meaning::Named("padding"),
        "ceilmode" => Meaning::Named("ceil"),
        "outchannels" | "outfeatures" | "filters" | "channels" | "width" | "widths" | "units"
        | "poolsize" | "window" | "p" | "rate" | "prob" | "probability" | "n" | "k" => {
            Meaning::Positional
        }
        "inchannels" | "infeatures" | "inputshape" => {
            Meaning::None("the compiler knows the channels that come in from the layer before")
        }
        "activation" => Meaning::None("`block` and `conv` end in a ReLU by themselves"),
        "bias" | "usebias" => Meaning::None("each convolution has a bias"),
        "dilation" | "dilationrate" => Meaning::None("dilation is not supported"),
        "groups" => Meaning::None("grouped convolution is not supported"),
        "paddingmode" => Meaning::None("padding is always with zeros"),
        "inplace" => Meaning::None("the memory plan sees to that"),
        "countincludepad" => Meaning::None("averages count the padding, as PyTorch's default does"),
        "device" | "dtype" => Meaning::None("nets are f32 on the CPU"),
        "name" => Meaning::None("layers are named by their place, as PyTorch does"),
        _ => return None,
    };
    Some(meaning)
}

/// The call of another framework's layer, in our words; its own parts keep their places.
pub(super) fn translate(call: &Call, name: Name) -> Call {
    let order = order(call, name);
    let mut position = 0;
    let mut arguments = Vec::new();
    for argument in &call.arguments {
        let meaning = match &argument.name {
            Some(name) => meaning(&name.value),
            None => {
                position += 1;
                order.get(position - 1).copied().unwrap_or(Meaning::Positional)
            }
        };
        let name_at = argument.name.as_ref().map_or(argument.value.at, |name| name.at);
        let name = match meaning {
            Meaning::Named("kernel") if matches!(name, Name::MaxPool | Name::AvgPool) => None,
            Meaning::Named(word) if !name.arguments().contains(&word) => continue,
            Meaning::Named(word) => Some(Word { value: word.to_owned(), at: name_at }),
            Meaning::Positional => None,
            Meaning::None(_) => continue,
        };
        let value = match &argument.value.value {
            Value::Word(word) if matches!(word.as_str(), "True" | "False") => {
                Word { value: Value::Word(word.to_lowercase()), at: argument.value.at }
            }
            _ => argument.value.clone(),
        };
        arguments.push(Argument { name, value, at: argument.at });
    }
    // An image as Keras has it: height, width, channels.
    let numbers = arguments.iter().map(|argument| &argument.value.value);
    if let (Name::Input, [Value::Int(5..), _, Value::Int(..5)]) =
        (name, &numbers.collect::<Vec<_>>()[..])
    {
        arguments.rotate_right(1);
    }
    // What has no name stands first.
    arguments.sort_by_key(|argument| argument.name.is_some());
    let close = call.close.filter(|_| name != Name::GlobalAvgPool);
    if close.is_none() {
        arguments.clear();
    }
    Call { name: call.name.clone(), arguments, close }
}

fn meaning(word: &str) -> Meaning {
    words::ARGUMENTS
        .into_iter()
        .find(|ours| *ours == word)
        .map(Meaning::Named)
        .or_else(|| argument(word))
        .unwrap_or(Meaning::None("unknown"))
}

/// What the arguments without a name mean, one after the other.
fn order(call: &Call, name: Name) -> &'static [Meaning] {
    use Meaning::{Named, None, Positional};
    const INWARD: Meaning = None("the channels that come in are known");
    match name {
        // `Conv2d(in, out, kernel, …)`, or with two numbers and no kernel Keras's `(filters,
        // kernel)`.
        Name::Conv | Name::Block => {
            let count = call.positional().count();
            let names = call.arguments.iter().filter_map(|argument| argument.name.as_ref());
            let has = |wanted| names.clone().any(|name| meaning(&name.value) == wanted);
            let (kernel, outward) = (has(Named("kernel")), has(Positional));
            match count {
                1 if outward => &[INWARD],
                3.. => &[INWARD, Positional, Named("kernel"), Named("stride"), Named("padding")],
                2 if kernel => &[INWARD, Positional],
                _ => &[Positional, Named("kernel")],
            }
        }
        Name::MaxPool | Name::AvgPool => &[Positional, Named("stride"), Named("padding")],
        _ => &[],
    }
}
