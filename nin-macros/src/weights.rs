//! `weights`: whether the file fits the net. Only its header is read here.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

use crate::diag::Error;
use crate::net::{Net, Op};
use crate::source::{Edit, Loc, Source, Word};
use crate::spec::Options;

/// A header that no writer makes is refused before it is read.
const LONGEST_HEADER: u64 = 16 << 20;

/// A tensor of the file, or one that the net needs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
}

/// Reports a file that is missing or does not fit, at its path in the spec.
pub(crate) fn check(source: &Source, options: &Options, net: &Net) -> Option<Error> {
    let path = options.weights.as_ref()?;
    let error = match header(&folder().join(&path.value)) {
        Ok(tensors) => misfit(&tensors, &needed(net)).map(|what| {
            let file = source.text(path.at);
            let what = format!("the weights in {file} do not fit the net: {what}");
            let why = "names and shapes are those of PyTorch's state_dict() for the same net, \
                written as nested Sequentials";
            Error::new(path.at, what).because("because", why)
        })?,
        Err(problem) => Error::new(path.at, format!("{}: {problem}", source.text(path.at)))
            .because("form", "weights = \"file.safetensors\", from the folder of Cargo.toml"),
    };
    Some(
        others(path)
            .into_iter()
            .fold(error, |error, file| {
                error.offer(path.at, format!("{file:?}"), "a file beside it")
            })
            .offer_edit(without(source, path.at), "the net then starts with random weights"),
    )
}

/// The folder of the user's Cargo.toml.
fn folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default()
}

/// Files of weights in the folder of one that does not fit.
fn others(path: &Word<String>) -> Vec<String> {
    let wanted = Path::new(&path.value);
    let beside = wanted.parent().unwrap_or(Path::new(""));
    let entries = std::fs::read_dir(folder().join(beside)).into_iter().flatten().flatten();
    let files = entries.map(|entry| beside.join(entry.file_name()));
    let mut files: Vec<String> = files
        .filter(|file| file.extension().is_some_and(|e| e == "safetensors") && file != wanted)
        .filter_map(|file| file.to_str().map(str::to_owned))
        .collect();
    files.sort();
    files.truncate(8);
    files
}

/// The edit that takes out the option, and `where` with it if it is the only one.
fn without(source: &Source, value: Loc) -> Edit {
    let item = Loc::new(value.start - 2..value.end);
    let edit = source.remove_item(item);
    let alone = source.get(edit.at.start - 1) == "where" && edit.at.end >= source.len();
    let start = edit.at.start - usize::from(alone);
    Edit { at: Loc::new(start..edit.at.end), text: String::new() }
}

/// The tensors that the net needs, in its own order.
fn needed(net: &Net) -> Vec<Tensor> {
    let convs = net.layers.iter().filter_map(|layer| match layer.op {
        Op::Conv { window, .. } => Some((layer, window.kernel)),
        _ => None,
    });
    convs
        .flat_map(|(layer, (rows, columns))| {
            let (ci, co) = (layer.input.c, layer.output.c);
            let tensor = |name, shape| Tensor { name: format!("{}.{name}", layer.module), shape };
            [tensor("weight", vec![co, ci, rows, columns]), tensor("bias", vec![co])]
        })
        .collect()
}

/// The first difference between what the file has and what the net needs.
fn misfit(file: &[Tensor], net: &[Tensor]) -> Option<String> {
    for needed in net {
        let Tensor { name, shape } = needed;
        let Some(found) = file.iter().find(|tensor| tensor.name == *name) else {
            return Some(format!("there is no `{name}` of shape {shape:?}"));
        };
        if found.shape != *shape {
            let found = &found.shape;
            return Some(format!(
                "`{name}` has shape {found:?} in the file, and {shape:?} in the net"
            ));
        }
    }
    let extra = file.iter().find(|tensor| net.iter().all(|needed| needed.name != tensor.name))?;
    Some(format!("the net has no `{}`, which the file has", extra.name))
}

/// The tensors of a file, from the JSON at its front.
fn header(path: &Path) -> Result<Vec<Tensor>, String> {
    let mut file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    let mut length = [0; 8];
    let not_one = |_| "this is no safetensors file: it ends in its header".to_owned();
    file.read_exact(&mut length).map_err(not_one)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return Err(format!("this is no safetensors file: its header would have {length} bytes"));
    }
    let mut text = String::new();
    let read = file.take(length).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if (read as u64) < length {
        return Err("this is no safetensors file: it ends in its header".to_owned());
    }
    tensors(&text).ok_or_else(|| "this is no safetensors file: its header is malformed".to_owned())
}

/// Reads `{"name": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}, …}`. JSON of this kind is
/// made of Rust's tokens.
fn tensors(json: &str) -> Option<Vec<Tensor>> {
    let source = Source::new(json.trim().parse::<TokenStream>().ok()?);
    let mut tensors = Vec::new();
    let mut at = 1;
    while at + 1 < source.len() {
        let name = text(&source, at)?;
        let value = Loc::new(at + 2..source.skip(at + 2));
        if name != "__metadata__" {
            tensors.push(Tensor { name, shape: shape(&source, value)? });
        }
        at = value.end + 1;
    }
    let whole = source.get(0) == "{" && source.skip(0) == source.len();
    whole.then_some(tensors)
}

/// The numbers of `"shape": […]`.
fn shape(source: &Source, value: Loc) -> Option<Vec<usize>> {
    let key = (value.start..value.end).find(|&i| source.get(i) == "\"shape\"")?;
    let list = key + 2;
    if source.get(list) != "[" {
        return None;
    }
    let numbers = (list + 1..source.skip(list) - 1).filter(|&i| source.get(i) != ",");
    numbers.map(|i| source.get(i).parse().ok()).collect()
}

fn text(source: &Source, at: usize) -> Option<String> {
    let literal = source.get(at);
    (source.is_literal(at) && source.get(at + 1) == ":")
        .then(|| literal.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::check::check;
    use crate::source::Source;

    const FITS: &str = r#"{"__metadata__": {"format": "pt"},
        "0.0.weight": {"dtype": "F32", "shape": [2, 1, 3, 3], "data_offsets": [0, 72]},
        "0.0.bias": {"dtype": "F32", "shape": [2], "data_offsets": [72, 80]}}"#;

    /// A file with this header, or these bytes.
    fn file(test: &str, bytes: &[u8]) -> PathBuf {
        let name = format!("nin-macros-{}-{test}.safetensors", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).expect("the file can be written");
        path
    }

    fn with_header(json: &str) -> Vec<u8> {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes
    }

    /// What the compiler says of a net with these weights.
    fn message(path: &std::path::Path) -> Option<String> {
        let spec = "Net<input(1, 5, 5), conv(2, kernel = 3), global_avg_pool> where weights = ";
        let source = Source::new(format!("{spec}{path:?}").parse().expect("it lexes"));
        let what = check(&source).errors.first()?.what.clone();
        let (_, problem) = what.split_once(": ")?;
        Some(problem.to_owned())
    }

    #[test]
    fn a_file_of_weights_must_fit_the_net() {
        for (test, json, problem) in [
            ("fits", FITS.to_owned(), None),
            (
                "missing",
                FITS.replace("0.0.bias", "bias"),
                Some("there is no `0.0.bias` of shape [2]"),
            ),
            (
                "shape",
                FITS.replace("[2, 1, 3, 3]", "[2, 1, 5, 5]"),
                Some(
                    "`0.0.weight` has shape [2, 1, 5, 5] in the file, and [2, 1, 3, 3] in the net",
                ),
            ),
            (
                "extra",
                FITS.replace("}}", "}, \"fc.bias\": {\"shape\": []}}"),
                Some("the net has no `fc.bias`, which the file has"),
            ),
            (
                "json",
                "{\"a\": [}".to_owned(),
                Some("this is no safetensors file: its header is malformed"),
            ),
            ("list", "[]".to_owned(), Some("this is no safetensors file: its header is malformed")),
        ] {
            let path = file(test, &with_header(&json));
            assert_eq!(message(&path).as_deref(), problem, "{test}");
            std::fs::remove_file(path).expect("the file can be removed");
        }
    }

    #[test]
    fn what_is_no_file_of_weights_is_said() {
        let short = "this is no safetensors file: it ends in its header";
        let long = "this is no safetensors file: its header would have 18446744073709551615 bytes";
        for (test, bytes, problem) in [
            ("empty", &[][..], short),
            ("short", &[9, 0, 0, 0, 0, 0, 0, 0, b'{'], short),
            ("long", &[255; 8], long),
        ] {
            let path = file(test, bytes);
            assert_eq!(message(&path).as_deref(), Some(problem), "{test}");
            std::fs::remove_file(path).expect("the file can be removed");
        }
        let missing = std::path::Path::new("no/such/folder/a.safetensors");
        assert_eq!(message(missing).as_deref(), Some("there is no such file"));
    }
}
