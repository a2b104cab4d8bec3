//! Reads values as numbers, pairs, flags and algorithms; what is none of these is reported.

use super::Given;
use super::call::{Argument, Call};
use super::literal::{LARGEST, Value};
use super::parse::Parser;
use super::words::nearest;
use crate::diag::{Error, Repair};
use crate::net::Algorithm;
use crate::source::{Edit, Loc, Word};

/// What a number stands for.
#[derive(Clone, Copy)]
pub(super) struct Role {
    /// The subject of a sentence about it.
    what: &'static str,
    /// Numbers to offer where the author's can't be guessed.
    examples: &'static [&'static str],
}

impl Role {
    pub(super) const CHANNELS: Self =
        Self { what: "the number of channels", examples: &["32", "10", "3", "1"] };
    pub(super) const HEIGHT: Self =
        Self { what: "the height", examples: &["28", "32", "224", "1"] };
    pub(super) const WIDTH: Self = Self { what: "the width", examples: Self::HEIGHT.examples };
    pub(super) const KERNEL: Self = Self { what: "`kernel`", examples: &["3", "5", "1"] };
    pub(super) const WINDOW: Self =
        Self { what: "the size of a window", examples: &["3", "2", "1"] };
    pub(super) const STRIDE: Self = Self { what: "`stride`", examples: &["1", "2", "3"] };
    pub(super) const PADDING: Self = Self { what: "`padding`", examples: &["0", "1", "2"] };
    pub(super) const PROBABILITY: Self = Self { what: "the probability", examples: &["0.5"] };
}

impl Parser<'_> {
    /// A named argument of one number or a pair.
    pub(super) fn window_argument(&mut self, call: &Call, name: &str) -> Given {
        let role = match name {
            "kernel" => Role::KERNEL,
            "stride" => Role::STRIDE,
            _ => Role::PADDING,
        };
        match call.named(name) {
            None => Given::Default,
            Some(argument) if name == "padding" && is_mode(&argument.value.value) => {
                self.padding_mode(call, argument)
            }
            Some(argument) => self.pair(&argument.value, role),
        }
    }

    /// One number, which counts for rows and columns, or a pair.
    pub(super) fn pair(&mut self, value: &Word<Value>, role: Role) -> Given {
        let at = value.at;
        let Value::Tuple(values) = &value.value else {
            return match self.number(value, role) {
                Some(Word { value, at }) => Given::Is(Word { value: [value; 2], at }),
                None => Given::Wrong,
            };
        };
        let [rows, columns] = &values[..] else {
            let (what, count) = (role.what, values.len());
            let what = format!("{what} is one number or a pair (rows, columns), not {count}");
            let error = Error::new(at, what);
            self.errors.push(match &values[..] {
                [first, second, ..] => {
                    let [first, second] = [first, second].map(|v| self.source.text(v.at));
                    error.offer(at, format!("({first}, {second})"), "")
                }
                _ => error.offer_any(examples(at, role)),
            });
            return Given::Wrong;
        };
        match (self.number(rows, role), self.number(columns, role)) {
            (Some(rows), Some(columns)) => {
                Given::Is(Word { value: [rows.value, columns.value], at })
            }
            _ => Given::Wrong,
        }
    }

    /// A whole number; anything else is reported, and read as what it means if that is clear.
    pub(super) fn number(&mut self, value: &Word<Value>, role: Role) -> Option<Word<u64>> {
        let (at, what) = (value.at, role.what);
        let text = self.source.text(at);
        let (what, meant) = match &value.value {
            Value::Int(number) => return Some(Word { value: *number, at }),
            Value::Wrong => return None,
            Value::TooLarge => (format!("{text} is too large: {what} is at most {LARGEST}"), None),
            Value::Float(number) => return self.float(at, *number, role),
            Value::Signed => {
                let error = Error::new(at, format!("{what} can't have a sign: {text}"));
                let number = self.source.text(Loc::token(at.end - 1));
                self.errors.push(error.offer(at, number, "").offer_any(examples(at, role)));
                return None;
            }
            Value::Suffixed(number) => {
                (format!("{what} is a plain number, not `{text}`"), Some(*number))
            }
            Value::Word(word) => {
                let what = format!("{what} is a number, not the name `{word}`");
                let why = "the compiler works out all shapes from the words of the spec, and \
                    can't see the value of a name";
                let error = Error::new(at, what).because("because", why);
                self.errors.push(error.offer_any(examples(at, role)));
                return None;
            }
            Value::Text(inner) => {
                (format!("{what} is a number, not the text {text}"), inner.trim().parse().ok())
            }
            Value::Tuple(values) => {
                let first = values.first().map(|first| &first.value);
                let number = match first {
                    Some(Value::Int(number)) => Some(*number),
                    _ => None,
                };
                (format!("{what} is one number, not `{text}`"), number)
            }
        };
        let error = Error::new(at, what);
        self.errors.push(match meant {
            Some(number) => error.offer(at, number.to_string(), ""),
            None => error.offer_any(examples(at, role)),
        });
        meant.filter(|&number| number <= LARGEST).map(|value| Word { value, at })
    }

    /// A float where an integer belongs.
    fn float(&mut self, at: Loc, number: f64, role: Role) -> Option<Word<u64>> {
        let text = self.source.text(at);
        let error = Error::new(at, format!("{} is a whole number, not {text}", role.what));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let floor = number.clamp(0.0, 1e9) as u64;
        #[allow(clippy::cast_precision_loss)]
        if floor as f64 == number {
            self.errors.push(error.offer(at, floor.to_string(), ""));
            return Some(Word { value: floor, at });
        }
        let (below, above) = (floor.to_string(), (floor + 1).to_string());
        let error = error.offer(at, below, "rounded down").offer(at, above, "rounded up");
        self.errors.push(error);
        None
    }

    /// `padding = same` and `padding = "valid"`, as Keras and PyTorch have them.
    fn padding_mode(&mut self, call: &Call, argument: &Argument) -> Given {
        let at = argument.value.at;
        let mode = self.source.text(at);
        let error = Error::new(
            at,
            format!("`padding` is the number of rows and columns on each side, not `{mode}`"),
        );
        if mode.to_ascii_lowercase().contains("valid") {
            self.errors.push(error.offer(at, "0", "no padding at all"));
            return Given::Default;
        }
        let error =
            error.because("formula", "with stride 1 the size stays if padding = (kernel − 1) / 2");
        let kernel = match call.named("kernel").map(|kernel| &kernel.value.value) {
            Some(Value::Int(kernel)) => *kernel,
            _ => {
                self.errors.push(error.offer_any(examples(at, Role::PADDING)));
                return Given::Wrong;
            }
        };
        if kernel % 2 == 1 {
            let padding = kernel / 2;
            let why = format!("({kernel} − 1) / 2");
            self.errors.push(error.offer(at, padding.to_string(), why));
            return Given::Is(Word { value: [padding; 2], at });
        }
        let why = format!(
            "kernel = {kernel} is even, so nothing keeps the size: it would take half a row of \
                padding on each side"
        );
        let mut error = error.because("because", why);
        for odd in [kernel + 1, kernel.saturating_sub(1)] {
            let edits = [
                call.set(self.source, "kernel", &odd.to_string()),
                Some(Edit { at, text: (odd / 2).to_string() }),
            ];
            let repair = Repair::new(edits.into_iter().flatten(), "the size stays");
            let say = format!("write `kernel = {odd}` and `padding = {}`", odd / 2);
            error = error.offer_any([repair.say(say)]);
        }
        let why = "one row and one column more";
        self.errors.push(error.offer(at, (kernel / 2).to_string(), why));
        Given::Wrong
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, call: &Call, name: &str) -> Option<bool> {
        let Word { value, at } = &call.named(name)?.value;
        let meant = match value {
            Value::Word(word) if word == "true" => return Some(true),
            Value::Word(word) if word == "false" => return Some(false),
            Value::Wrong => return None,
            Value::Word(word) | Value::Text(word) => !word.eq_ignore_ascii_case("false"),
            Value::Int(0) => false,
            _ => true,
        };
        let text = self.source.text(*at);
        let error = Error::new(*at, format!("`{name}` is `true` or `false`, not `{text}`")).offer(
            *at,
            meant.to_string(),
            "",
        );
        self.errors.push(error);
        Some(meant)
    }

    /// The value of `algorithm`, of a layer or of the net.
    pub(super) fn algorithm(&mut self, value: &Word<Value>) -> Option<Algorithm> {
        match &value.value {
            Value::Word(word) if word == "direct" => return Some(Algorithm::Direct),
            Value::Word(word) if word == "auto" => return Some(Algorithm::Auto),
            Value::Wrong => return None,
            _ => {}
        }
        let text = self.source.text(value.at);
        let meant = nearest(text.trim_matches('"'), ["direct", "auto"]);
        let form = "`algorithm = direct` (plain sums) or `algorithm = auto` (the default)";
        let error = Error::new(value.at, format!("`{text}` is no algorithm")).because("form", form);
        self.errors.push(match meant {
            Some(near) => error.offer(value.at, near, "the nearest name"),
            None => error.offer(value.at, "auto", "").offer(value.at, "direct", ""),
        });
        None
    }
}

/// Numbers in the place of one that can't be guessed.
fn examples(at: Loc, role: Role) -> impl Iterator<Item = Repair> {
    let repair =
        move |text: &&str| Repair::new([Edit { at, text: (*text).to_owned() }], "for example");
    role.examples.iter().map(repair)
}

fn is_mode(value: &Value) -> bool {
    let (Value::Word(mode) | Value::Text(mode)) = value else { return false };
    ["same", "valid"].iter().any(|known| mode.eq_ignore_ascii_case(known))
}
