//! What follows `where`.

use super::Options;
use super::literal::{LARGEST, Value, read};
use super::parse::Parser;
use super::words::{OPTIONS, nearest};
use crate::diag::Error;
use crate::net::Format;
use crate::source::{Edit, Loc, Word};

/// Units of memory, and how many bytes each has.
const UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

const FORM: &str =
    "where algorithm = direct, weights = \"file.safetensors\", storage = f16, ram_budget = 256 KiB";

impl Parser<'_> {
    /// The options from here to the end; gives the index behind them.
    pub(super) fn options(&mut self, start: usize, options: &mut Options) -> usize {
        let source = self.source;
        let mut seen = Vec::new();
        let mut at = start;
        if at >= source.len() {
            let word = Loc::token(start - 1);
            self.errors.push(
                Error::new(word, "no option follows `where`")
                    .because("form", FORM)
                    .offer(word, "", ""),
            );
        }
        while at < source.len() {
            if source.get(at) == "," {
                self.stray_comma(at);
                at += 1;
                continue;
            }
            if !source.is_ident(at) {
                return at;
            }
            let item = Loc::new(at..self.option_end(at));
            let name = self.option_name(&mut at, item, &mut seen);
            self.option(name, &mut at, item, options);
            at = self.separator(at, source.len());
        }
        at
    }

    /// The index of the comma behind an option.
    fn option_end(&self, mut at: usize) -> usize {
        while at < self.source.len() && !matches!(self.source.get(at), "," | ";") {
            at = self.source.skip(at);
        }
        at
    }

    /// Reads `name =`; none if the option is unknown or given before.
    fn option_name(
        &mut self,
        at: &mut usize,
        item: Loc,
        seen: &mut Vec<&'static str>,
    ) -> Option<&'static str> {
        let source = self.source;
        let (text, word) = (source.get(*at), Loc::token(*at));
        *at += 1;
        let sign = Loc::token(*at);
        match source.get(*at) {
            "=" => *at += 1,
            ":" => {
                let error = Error::new(sign, "`:` stands where `=` belongs");
                self.errors.push(error.because("form", FORM).offer(sign, "=", ""));
                *at += 1;
            }
            _ if *at < item.end => {
                let error = Error::new(Loc::before(*at), format!("`=` is missing behind `{text}`"));
                self.errors.push(error.because("form", FORM).offer(Loc::before(*at), "=", ""));
            }
            _ => {}
        }
        let known = OPTIONS.into_iter().find(|option| *option == text);
        let name = known.or_else(|| {
            let near = nearest(text, OPTIONS).and_then(|n| OPTIONS.into_iter().find(|o| *o == n));
            let error =
                Error::new(word, format!("there is no option `{text}`")).because("form", FORM);
            self.errors.push(match near {
                Some(near) => error.offer(word, near, "the nearest name"),
                None => error.offer_edit(self.remove_option(item), ""),
            });
            near
        })?;
        if seen.contains(&name) {
            let error = Error::new(item, format!("`{name}` is given twice"));
            self.errors.push(error.offer_edit(self.remove_option(item), "the first one counts"));
            return None;
        }
        seen.push(name);
        Some(name)
    }

    /// The edit that takes out an option, and `where` with it if it is the only one.
    fn remove_option(&self, item: Loc) -> Edit {
        let edit = self.source.remove_item(item);
        let alone = self.source.get(edit.at.start.wrapping_sub(1)) == "where"
            && edit.at.end >= self.source.len();
        let start = if alone { edit.at.start - 1 } else { edit.at.start };
        Edit { at: Loc::new(start..edit.at.end), text: String::new() }
    }

    fn option(&mut self, name: Option<&str>, at: &mut usize, item: Loc, options: &mut Options) {
        let source = self.source;
        let start = *at;
        *at = item.end;
        let Some(name) = name else { return };
        if start >= item.end {
            let error = Error::new(item, format!("`{name}` has no value")).because("form", FORM);
            let value = match name {
                "algorithm" => "direct",
                "storage" => "f16",
                "weights" => "\"file.safetensors\"",
                _ => "256 KiB",
            };
            let error = error.offer(item, format!("{name} = {value}"), "for example");
            self.errors.push(error.offer_edit(self.remove_option(item), ""));
            return;
        }
        let place = Loc::new(start..item.end);
        let single = source.skip(start) == item.end;
        match name {
            "ram_budget" => options.ram_budget = self.bytes(place),
            _ if !single => {
                let text = source.text(place);
                let error = Error::new(place, format!("`{text}` is no value of `{name}`"));
                let rest = Loc::new(source.skip(start)..item.end);
                self.errors.push(
                    error
                        .because("form", FORM)
                        .offer(rest, "", "")
                        .offer_edit(self.remove_option(item), ""),
                );
            }
            "algorithm" => {
                let value = Word { value: read(source, start), at: place };
                let algorithm = self.algorithm(&value);
                options.algorithm = algorithm.map(|value| Word { value, at: place });
            }
            "storage" => options.storage = self.storage(place),
            _ => options.weights = self.weights(place, item),
        }
    }

    fn storage(&mut self, at: Loc) -> Option<Word<Format>> {
        let text = self.source.text(at);
        if let Some(value) = Format::ALL.into_iter().find(|storage| storage.name() == text) {
            return Some(Word { value, at });
        }
        let form = "`storage = f32`, `f16` or `bf16`: what weights and activations are kept as";
        let near = nearest(&text, Format::ALL.map(Format::name)).unwrap_or("f32");
        let error = Error::new(at, format!("`{text}` is no storage"));
        self.errors.push(error.because("form", form).offer(at, near, ""));
        None
    }

    fn weights(&mut self, at: Loc, item: Loc) -> Option<Word<String>> {
        match read(self.source, at.start) {
            Value::Text(path)
                if !path.is_empty() && self.source.get(at.start).starts_with(['"', 'r']) =>
            {
                Some(Word { value: path, at })
            }
            _ => {
                let text = self.source.text(at);
                let error = Error::new(at, "`weights` is the path of a file, in quotes").because(
                    "form",
                    "weights = \"file.safetensors\", from the folder of Cargo.toml",
                );
                let error = match self.source.is_ident(at.start) {
                    true => error.offer(at, format!("\"{text}.safetensors\""), ""),
                    false => error,
                };
                self.errors.push(error.offer_edit(self.remove_option(item), ""));
                None
            }
        }
    }

    /// A number with a unit.
    fn bytes(&mut self, at: Loc) -> Option<Word<u64>> {
        let source = self.source;
        let literal = source.get(at.start);
        let digits: String =
            literal.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '_' | '.')).collect();
        let digits = digits.replace('_', "");
        let suffix =
            literal.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '_' | '.'));
        let unit = match at.end - at.start {
            1 if suffix.is_empty() => "B",
            1 => suffix,
            2 if suffix.is_empty() && source.is_ident(at.start + 1) => source.get(at.start + 1),
            _ => "",
        };
        let number = digits.parse::<u64>().ok().filter(|_| source.is_literal(at.start));
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        if let (Some(number @ 1..=LARGEST), Some(factor)) = (number, factor) {
            return Some(Word { value: number * factor, at });
        }
        let text = source.text(at);
        let initial = |text: &str| text.chars().next().map(|c| c.to_ascii_lowercase());
        let meant = UNITS.iter().find(|(name, _)| initial(name) == initial(unit));
        let error = Error::new(at, format!("`{text}` is no amount of memory")).because(
            "form",
            "a whole number and B, KiB (1024 B), MiB or GiB: `ram_budget = 256 KiB`",
        );
        let number = digits.parse::<f64>().unwrap_or(256.0).ceil().clamp(1.0, 1e9);
        let unit = meant.map_or("KiB", |(name, _)| name);
        self.errors.push(error.offer(at, format!("{number} {unit}"), ""));
        None
    }
}
