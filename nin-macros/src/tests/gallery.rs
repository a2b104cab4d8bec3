//! The pages in `docs/lessons`, made from the mistakes: what stands there is what the compiler says.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Mistake, checked, edited, programs, workspace};

/// A page: the first word of its mistakes' names, its title, and what it is about.
const CHAPTERS: [(&str, &str, &str); 8] = [
    (
        "size",
        "Sizes",
        "A window slides over rows and columns, and must fit at least once: ⌊(input + 2·padding − kernel) / stride⌋ + 1 must not be less than 1.",
    ),
    (
        "shape",
        "Expected shapes",
        "`-> (channels, height, width)` behind an element says what its author expects. The compiler compares.",
    ),
    (
        "order",
        "What a net needs, and where",
        "One `input` comes first, one `global_avg_pool` last, and in between something that learns.",
    ),
    (
        "word",
        "Elements and arguments",
        "Each element has its arguments; some stand first without a name, the others are `name = value`.",
    ),
    (
        "pytorch",
        "Coming from PyTorch or Keras",
        "What layers and arguments are called here, and why some don't exist.",
    ),
    (
        "number",
        "Numbers",
        "Sizes are whole numbers, written out: the compiler works with nothing but the words of the spec.",
    ),
    (
        "punctuation",
        "Punctuation and brackets",
        "A spec reads like a type with generic arguments: `Name<element, element, …>`.",
    ),
    ("option", "Options", "They follow `where`, behind the closing bracket."),
];

const USE: &str = "Shapes are types: images carry their size, logits their number of classes.";

const NOT_CAUGHT: &str = "\
## What the macro never sees

Rust reads the whole file before a macro gets its words. What is no Rust token stops there, with an
error of Rust itself:

- `nin!<Net …>` without braces: Rust allows only `(`, `[` or `{` behind `nin!`. Write `nin! { Net<…> }`.
- `→`, `×` and other signs outside of text in quotes: write `->`, and a pair as `(3, 5)`.
- A bracket that is not closed.
";

/// All pages: path and text.
fn pages() -> Vec<(PathBuf, String)> {
    let folder = workspace().join("docs/lessons");
    let mistakes = programs("mistakes");
    let count = mistakes.len();
    let mut index = format!(
        "# Lessons\n\n{count} mistakes that people make in a spec, what the compiler says, and how each is put right.\n\
         These pages are made from the tests: each message is what rustc prints, and each repair has been\n\
         made and compiles. `NIN_LESSONS=write cargo test -p nin-macros lessons` writes them anew.\n"
    );
    let mut pages = Vec::new();
    for (prefix, title, about) in CHAPTERS {
        let of_chapter = |mistake: &&Mistake| mistake.name.split('_').next() == Some(prefix);
        let chapter: Vec<&Mistake> = mistakes.iter().filter(of_chapter).collect();
        let mut page = format!("# {title}\n\n{about}\n\n[All lessons](README.md)\n");
        let _ = write!(index, "\n## [{title}]({prefix}.md)\n\n{about}\n\n");
        for mistake in chapter {
            page.push_str(&lesson(mistake));
            let _ =
                writeln!(index, "- [{}]({prefix}.md#{})", mistake.title, anchor(&mistake.title));
        }
        pages.push((folder.join(prefix).with_extension("md"), page));
    }
    let mut page = format!("# Using a net\n\n{USE}\n\n[All lessons](README.md)\n");
    let _ = write!(index, "\n## [Using a net](misuse.md)\n\n{USE}\n\n");
    for misuse in programs("misuse") {
        let _ = write!(page, "\n## {}\n\n{}", misuse.title, program(&misuse, "misuse"));
        let _ = writeln!(index, "- [{}](misuse.md#{})", misuse.title, anchor(&misuse.title));
    }
    pages.push((folder.join("misuse.md"), page));
    index.push('\n');
    index.push_str(NOT_CAUGHT);
    pages.push((folder.join("README.md"), index));
    pages
}

/// One mistake, its message and its repairs.
fn lesson(mistake: &Mistake) -> String {
    let mut text = format!("\n## {}\n\n{}", mistake.title, program(mistake, "mistakes"));
    let (source, result) = checked(&mistake.text);
    let repairs = &result.errors[0].repairs;
    for (i, repair) in repairs.iter().enumerate() {
        let repaired = edited(&mistake.text, &source, &repair.edits);
        let lead = if i == 0 { "Repaired" } else { "Or" };
        let _ = write!(text, "\n{lead}:\n\n```diff\n{}```\n", diff(&mistake.text, &repaired));
    }
    text
}

/// A program and what rustc says of it.
fn program(mistake: &Mistake, folder: &str) -> String {
    let message = workspace().join("tests").join(folder).join(&mistake.name);
    let message = std::fs::read_to_string(message.with_extension("stderr"))
        .expect("the message is pinned: run `TRYBUILD=overwrite cargo test --test mistakes` first");
    let message: Vec<&str> = message.lines().filter(|line| !line.contains("-->")).collect();
    let text = &mistake.text;
    let start = text.find("nin! {").unwrap_or(0);
    // Mistakes are in the spec, misuse is in what follows it.
    let end = if folder == "mistakes" { text.find("\nfn main") } else { None };
    format!(
        "```rust\n{}\n```\n\n```text\n{}\n```\n",
        text[start..end.unwrap_or(text.len())].trim_end(),
        message.join("\n").trim_end()
    )
}

/// The lines that differ.
fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let front = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let shorter = old.len().min(new.len()) - front;
    let back = old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(|(a, b)| a == b);
    let back = back.count();
    let side = |sign: char, lines: &[&str]| -> String {
        let lines = &lines[front..lines.len() - back];
        lines.iter().map(|line| format!("{sign} {}\n", line.trim_end())).collect()
    };
    side('-', &old) + &side('+', &new)
}

/// The fragment that GitHub gives to a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn lessons_show_what_the_compiler_says_today() {
    let write = std::env::var_os("NIN_LESSONS").is_some();
    for (path, page) in pages() {
        if write {
            std::fs::create_dir_all(path.parent().expect("a page has a folder"))
                .and_then(|()| std::fs::write(&path, &page))
                .expect("the page can be written");
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == page,
            "{} is stale: run `NIN_LESSONS=write cargo test -p nin-macros lessons`",
            path.display()
        );
    }
}

#[test]
fn every_mistake_is_in_a_chapter() {
    for mistake in programs("mistakes") {
        let chapter = mistake.name.split('_').next();
        let known = CHAPTERS.iter().any(|(prefix, ..)| Some(*prefix) == chapter);
        assert!(known, "{} has no chapter", mistake.name);
    }
}
