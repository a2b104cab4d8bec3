//! Tests of the front end as a whole. The mistakes are the programs in `tests/mistakes` of the
//! facade, whose messages as rustc prints them are pinned there.

mod fuzz;
mod gallery;
mod repairs;

use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

use crate::check::{Checked, check_and_prove};
use crate::source::{Edit, Source};

/// A program that makes one mistake.
struct Mistake {
    /// The file's name, without its ending.
    name: String,
    /// The first line of its documentation.
    title: String,
    text: String,
}

/// The folder of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All programs in a folder of the facade's tests, by name.
fn programs(folder: &str) -> Vec<Mistake> {
    let folder = workspace().join("tests").join(folder);
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut mistakes: Vec<Mistake> = entries
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("the program can be read");
            let title = text.lines().next().unwrap_or_default();
            Mistake {
                name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
                title: title.trim_start_matches("//!").trim().trim_end_matches('.').to_owned(),
                text,
            }
        })
        .collect();
    mistakes.sort_by(|a, b| a.name.cmp(&b.name));
    mistakes
}

/// The spec inside the `nin!` of a program, or the text itself if it is a spec.
fn spec(text: &str) -> Source {
    let stream: TokenStream = text.parse().expect("the program lexes");
    let trees: Vec<TokenTree> = stream.clone().into_iter().collect();
    let call = trees.windows(3).find_map(|window| match window {
        [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Group(group)] if name == "nin" => {
            Some(group.stream())
        }
        _ => None,
    });
    Source::new(call.unwrap_or(stream))
}

fn checked(text: &str) -> (Source, Checked) {
    let source = spec(text);
    let checked = check_and_prove(&source);
    (source, checked)
}

/// The messages of a spec, in order.
fn messages(text: &str) -> Vec<String> {
    let (source, checked) = checked(text);
    checked.errors.iter().map(|error| error.message(&source)).collect()
}

/// The text with the edits made, as an author would make them.
fn edited(text: &str, source: &Source, edits: &[Edit]) -> String {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.at);
    let mut result = text.to_owned();
    for edit in edits.iter().rev() {
        let (first, last) = source.spans(edit.at);
        let range = if edit.at.is_empty() {
            // A gap at the front has no token before it.
            let gap = match edit.at.start {
                0 => source.spans(crate::source::Loc::token(0)).0.byte_range().start,
                _ => last.byte_range().end,
            };
            gap..gap
        } else {
            first.byte_range().start..last.byte_range().end
        };
        result.replace_range(range, &edit.text);
    }
    result
}
