//! No tokens make the compiler panic, and all its errors are inside the spec.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree, extra};

use crate::check::{check, check_and_prove};
use crate::source::{Loc, Source};

const VALID: [&str; 3] = [
    "pub D2lNin<input(1, 224, 224), block(96, kernel = 11, stride = 4) -> (96, 54, 54), \
     max_pool(3, stride = 2), block(256, kernel = 5, padding = 2), max_pool(3, stride = 2), \
     dropout(0.5), block(10, kernel = 3, padding = 1), global_avg_pool,>",
    "#[derive(Clone)] pub(crate) Net<input(3, 32, 40), block(192, 160, 96, kernel = (5, 3), padding = 2), \
     avg_pool(3, stride = (2, 1), ceil = true, padding = 1), conv(10, kernel = 1, relu = false, algorithm = direct), \
     global_avg_pool -> (10, 1, 1)> where algorithm = direct, weights = \"a\", ram_budget = 256 KiB, storage = f32",
    "Net<input(1, 8, 8), nn.Conv2d(1, 8, kernel_size = 3), ReLU(), MaxPool2d(2, 2), Flatten(), Linear(72, 10)>",
];

/// Words that specs are made of, and some that they are not.
const WORDS: &str = "< > ( ) [ ] { } , , , ; : = = - -> => :: . # ! | & ' + * / ? where pub in struct self _ \
    input block conv max_pool avg_pool dropout global_avg_pool kernel stride padding relu ceil algorithm \
    weights storage ram_budget direct auto f16 KiB MiB same true false True None Conv2d nn Linear Sequential \
    Flatten kernel_size in_channels blok kernal größe r#type Net 0 0 1 1 2 3 4 5 11 28 224 65536 4294967295 \
    4294967296 99999999999999999999999999 0x1F 1_000 3px 2.5 5.0 1e400 1e-400 -0 0.9999999999999 \"a\" \"3\" \
    \"same\" 'x' b\"y\" r\"z\" c\"w\"";

/// Xorshift, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap_or(0)
    }
}

/// A random spec: a valid one with a few words changed, or mere words.
fn words(random: &mut Random, valid: &[Vec<String>], all: &[&str]) -> Vec<String> {
    let word = |random: &mut Random| all[random.below(all.len())].to_owned();
    if random.below(4) == 0 {
        let count = random.below(40);
        return (0..count).map(|_| word(random)).collect();
    }
    let mut words = valid[random.below(valid.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(words.len());
        match random.below(6) {
            0 if words.len() > 1 => drop(words.remove(at)),
            1 => words.insert(at, word(random)),
            2 => words.insert(at, words[random.below(words.len())].clone()),
            3 => words.truncate(at + 1),
            4 => {
                let other = random.below(words.len());
                words.swap(at, other);
            }
            _ => words[at] = word(random),
        }
    }
    words
}

/// Words with the brackets made to match, which the lexer insists on.
fn balanced(words: &[String]) -> String {
    let mut open = Vec::new();
    let mut text = String::new();
    for word in words {
        match word.as_str() {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" => match open.pop() {
                Some(close) => {
                    text.push_str(close);
                    continue;
                }
                None => continue,
            },
            _ => {}
        }
        text.push_str(word);
        // Without a space, `-` and `>` make an arrow.
        if word != "-" && word != "=" {
            text.push(' ');
        }
    }
    text.extend(open.into_iter().rev());
    text
}

/// Some tokens in invisible brackets, as `macro_rules!` leaves them.
fn captured(stream: TokenStream, random: &mut Random) -> TokenStream {
    let wrap = |tree: TokenTree, random: &mut Random| match random.below(8) {
        0 => TokenTree::Group(Group::new(Delimiter::None, tree.into())),
        _ => tree,
    };
    stream.into_iter().map(|tree| wrap(tree, random)).collect()
}

fn run(runs: usize, seed: u64) {
    let mut random = Random(seed);
    let all: Vec<&str> = WORDS.split_whitespace().collect();
    let valid = VALID.map(|spec| {
        let source = Source::new(spec.parse().expect("it is valid"));
        (0..source.len()).map(|i| source.get(i).to_owned()).collect::<Vec<_>>()
    });
    let mut nets = 0;
    for i in 0..runs {
        let text = balanced(&words(&mut random, &valid, &all));
        let Ok(mut stream) = text.parse::<TokenStream>() else { continue };
        if i % 8 == 0 {
            stream = captured(stream, &mut random);
        }
        let source = Source::new(stream.clone());
        // Proving runs the front end many times over; a part of the runs covers it.
        let checked = if i % 16 == 0 { check_and_prove(&source) } else { check(&source) };
        for error in &checked.errors {
            assert!(inside(error.at, &source), "{text}: {error:?}");
            let (first, last) = source.spans(error.at);
            assert!(first.byte_range().end <= text.len(), "{text}: {error:?}");
            assert!(last.byte_range().end <= text.len(), "{text}: {error:?}");
            assert!(!error.message(&source).is_empty());
            assert!(!error.to_tokens(&source).is_empty());
        }
        match checked.net {
            Some(net) => {
                nets += 1;
                assert_eq!(net.verify(), Ok(()), "{text}");
            }
            None => assert!(!checked.errors.is_empty(), "{text}: neither a net nor an error"),
        }
        if i % 64 == 0 {
            // Planning and writing code takes longer; it must not panic either.
            assert!(!crate::compile(stream).is_empty(), "{text}");
        }
        extra::invalidate_current_thread_spans();
    }
    assert!(nets * 1000 > runs, "only {nets} of {runs} specs were valid");
}

fn inside(at: Loc, source: &Source) -> bool {
    at.start <= at.end && at.end <= source.len()
}

#[test]
fn no_spec_makes_the_compiler_panic() {
    run(5_000, 0x9E37_79B9_7F4A_7C15);
}

/// `NIN_FUZZ_RUNS` and `NIN_FUZZ_SEED` change what it does.
#[test]
#[ignore = "takes minutes"]
fn a_million_specs_make_no_panic() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let runs = number("NIN_FUZZ_RUNS").and_then(|runs| usize::try_from(runs).ok());
    run(runs.unwrap_or(1_000_000), number("NIN_FUZZ_SEED").unwrap_or(1));
}
