//! `weights`: whether the file fits the net. Its header says; the weights themselves are only looked at if
//! the net keeps them as f16, whose range is small.

mod header;
mod range;

use std::path::{Path, PathBuf};

use crate::diag::Error;
use crate::net::{Format, Net, Op, Pretrained, Stored};
use crate::source::{Edit, Loc, Source, Word};
use crate::spec::Options;
use header::Tensor;

/// The element types that load, and their bytes.
const TYPES: [(&str, Format, usize); 3] =
    [("F32", Format::F32, 4), ("F16", Format::F16, 2), ("BF16", Format::Bf16, 2)];

/// A tensor that the net needs.
struct Needed {
    name: String,
    shape: Vec<usize>,
}

/// What stands where in the file of weights, if the spec names one. A file that is missing or does not
/// fit is reported at its path in the spec.
pub(crate) fn read(
    source: &Source,
    options: &Options,
    net: &Net,
) -> Result<Option<Pretrained>, Error> {
    let Some(path) = &options.weights else { return Ok(None) };
    let error = match header::read(&folder().join(&path.value)) {
        Ok((tensors, data)) => {
            match fit_in_range(&folder().join(&path.value), tensors, data, net) {
                Ok(tensors) => return Ok(Some(Pretrained { file: path.value.clone(), tensors })),
                Err(what) => {
                    let file = source.text(path.at);
                    let what = format!("the weights in {file} do not fit the net: {what}");
                    let why = "names and shapes are those of PyTorch's state_dict() for the same net, \
                    written as nested Sequentials";
                    Error::new(path.at, what).because("because", why)
                }
            }
        }
        Err(problem) => Error::new(path.at, format!("{}: {problem}", source.text(path.at)))
            .because("form", "weights = \"file.safetensors\", from the folder of Cargo.toml"),
    };
    Err(others(path)
        .into_iter()
        .fold(error, |error, file| error.offer(path.at, format!("{file:?}"), "a file beside it"))
        .offer_edit(without(source, path.at), "the net then starts with random weights"))
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
fn needed(net: &Net) -> Vec<Needed> {
    let convs = net.layers.iter().filter_map(|layer| match layer.op {
        Op::Conv { window, .. } => Some((layer, window.kernel)),
        _ => None,
    });
    convs
        .flat_map(|(layer, (rows, columns))| {
            let (ci, co) = (layer.input.c, layer.output.c);
            let tensor = |name, shape| Needed { name: format!("{}.{name}", layer.module), shape };
            [tensor("weight", vec![co, ci, rows, columns]), tensor("bias", vec![co])]
        })
        .collect()
}

/// [`fit`], and whether the net can hold the weights.
fn fit_in_range(
    path: &Path,
    mut file: Vec<Tensor>,
    data: u64,
    net: &Net,
) -> Result<Vec<Stored>, String> {
    file.sort_by_key(|tensor| tensor.bytes);
    let stored = fit(&file, data, &needed(net))?;
    if net.options.storage == Format::F16 {
        let formats = stored.iter().map(|stored| stored.format);
        range::check_f16(path, data, file.iter().zip(formats))?;
    }
    Ok(stored)
}

/// A file's tensors, which come in the order of their data, or the first difference between what it has
/// and what the net needs.
fn fit(file: &[Tensor], data: u64, net: &[Needed]) -> Result<Vec<Stored>, String> {
    for Needed { name, shape } in net {
        let Some(found) = file.iter().find(|tensor| tensor.name == *name) else {
            return Err(format!("there is no `{name}` of shape {shape:?}"));
        };
        if found.shape != *shape {
            let found = &found.shape;
            return Err(format!(
                "`{name}` has shape {found:?} in the file, and {shape:?} in the net"
            ));
        }
    }
    let mut tensors = Vec::new();
    let mut end = 0;
    for Tensor { name, dtype, shape, bytes: (from, to) } in file {
        let Some(param) = net.iter().position(|needed| needed.name == *name) else {
            return Err(format!("the net has no `{name}`, which the file has"));
        };
        let Some(&(_, format, size)) = TYPES.iter().find(|(known, ..)| known == dtype) else {
            return Err(format!("`{name}` has type {dtype}, and only F32, F16 and BF16 load"));
        };
        let start = end;
        end += size * shape.iter().product::<usize>();
        if (*from, *to) != (start, end) {
            return Err(format!(
                "`{name}` stands at bytes {from}..{to} of the data, expected {start}..{end}"
            ));
        }
        tensors.push(Stored { param, format });
    }
    if tensors.len() != net.len() {
        return Err("a tensor appears twice".to_owned());
    }
    if data != end as u64 {
        return Err(format!("it has {data} bytes of data, expected {end}"));
    }
    Ok(tensors)
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

    /// A file with this header, and 80 bytes of data.
    fn with_header(json: &str) -> Vec<u8> {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes.resize(bytes.len() + 80, 0);
        bytes
    }

    /// What the compiler says of a net with these weights.
    fn message(path: &std::path::Path) -> Option<String> {
        message_for(path, "")
    }

    fn message_for(path: &std::path::Path, options: &str) -> Option<String> {
        let spec = "Net<input(1, 5, 5), conv(2, kernel = 3), global_avg_pool> where weights = ";
        let source = Source::new(format!("{spec}{path:?}{options}").parse().expect("it lexes"));
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
                FITS.replace("}}", "}, \"fc.bias\": {\"dtype\": \"F32\", \"shape\": [0], \"data_offsets\": [80, 80]}}"),
                Some("the net has no `fc.bias`, which the file has"),
            ),
            (
                "type",
                FITS.replacen("F32", "F64", 1),
                Some("`0.0.weight` has type F64, and only F32, F16 and BF16 load"),
            ),
            (
                "half",
                FITS.replacen("F32", "F16", 1),
                Some("`0.0.weight` stands at bytes 0..72 of the data, expected 0..36"),
            ),
            (
                "order",
                FITS.replace("[0, 72]", "[8, 80]").replace("[72, 80]", "[0, 8]"),
                None,
            ),
            (
                "gap",
                FITS.replace("[72, 80]", "[76, 84]"),
                Some("`0.0.bias` stands at bytes 76..84 of the data, expected 72..80"),
            ),
            (
                "short",
                FITS.replace("F32", "BF16").replace("[0, 72]", "[0, 36]").replace("[72, 80]", "[36, 40]"),
                Some("it has 80 bytes of data, expected 40"),
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
    fn a_net_of_halves_refuses_weights_beyond_their_range() {
        let mut bytes = with_header(FITS);
        for (value, problem) in [
            (65519.0_f32, None),
            (-65520.0, Some("`0.0.bias` holds -65520, which is too large for f16")),
            (f32::INFINITY, None),
        ] {
            let last = bytes.len() - 4;
            bytes[last..].copy_from_slice(&value.to_le_bytes());
            let path = file("range", &bytes);
            assert_eq!(message_for(&path, ", storage = f16").as_deref(), problem, "{value}");
            assert_eq!(message_for(&path, ", storage = bf16"), None, "{value}");
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
