//! The front of a `.safetensors` file: eight bytes of length, then JSON that says of each tensor its
//! type, its shape and the range of its bytes in the data that follow.
//!
//! The reader is as strict as the runtime's: what passes here loads there.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// A header that no writer makes is refused before it is read; the runtime's limit.
const LONGEST: u64 = 1 << 20;

/// A tensor as the header describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    /// The first byte of its data, and the one behind the last.
    pub(super) bytes: (usize, usize),
}

/// The tensors of a file, and how many bytes of data follow its header.
pub(super) fn read(path: &Path) -> Result<(Vec<Tensor>, u64), String> {
    let mut file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    let no = |why: &str| format!("this is no safetensors file: {why}");
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| no("it ends in its header"))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(no(&format!("its header would have {length} bytes")));
    }
    let Some(data) = (size - 8).checked_sub(length) else {
        return Err(no("it ends in its header"));
    };
    let mut text = String::new();
    file.take(length).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let tensors = Json(&text).header().ok_or_else(|| no("its header is malformed"))?;
    Ok((tensors, data))
}

/// What is left of a text. Each method reads one thing, with the space before it.
struct Json<'a>(&'a str);

impl Json<'_> {
    fn header(&mut self) -> Option<Vec<Tensor>> {
        let mut tensors = Vec::new();
        self.object(|json, name| {
            if name == "__metadata__" {
                return json.object(|json, _| json.string().map(drop));
            }
            tensors.push(json.tensor(name)?);
            Some(())
        })?;
        self.space();
        self.0.is_empty().then_some(tensors)
    }

    /// `{"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}`, in any order.
    fn tensor(&mut self, name: String) -> Option<Tensor> {
        let (mut dtype, mut shape, mut bytes) = (None, None, None);
        self.object(|json, key| {
            let twice = match key.as_str() {
                "dtype" => dtype.replace(json.string()?).is_some(),
                "shape" => shape.replace(json.numbers()?).is_some(),
                "data_offsets" => bytes.replace(json.numbers()?).is_some(),
                _ => true,
            };
            (!twice).then_some(())
        })?;
        let &[start, end] = bytes?.as_slice() else { return None };
        Some(Tensor { name, dtype: dtype?, shape: shape?, bytes: (start, end) })
    }

    fn space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, sign: char) -> Option<()> {
        self.space();
        self.0 = self.0.strip_prefix(sign)?;
        Some(())
    }

    /// Items with commas between them, up to the sign that closes them.
    fn items(&mut self, close: char, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.eat(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.eat(',').is_none() {
                return self.eat(close);
            }
        }
    }

    fn object(&mut self, mut value: impl FnMut(&mut Self, String) -> Option<()>) -> Option<()> {
        self.eat('{')?;
        self.items('}', |json| {
            let key = json.string()?;
            json.eat(':')?;
            value(json, key)
        })
    }

    fn numbers(&mut self) -> Option<Vec<usize>> {
        let mut numbers = Vec::new();
        self.eat('[')?;
        self.items(']', |json| {
            numbers.push(json.number()?);
            Some(())
        })?;
        Some(numbers)
    }

    fn number(&mut self) -> Option<usize> {
        self.space();
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        digits.parse().ok().filter(|_| !leading_zero)
    }

    fn string(&mut self) -> Option<String> {
        self.eat('"')?;
        let mut text = String::new();
        loop {
            let char = self.char()?;
            match char {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                _ if char < ' ' => return None,
                _ => text.push(char),
            }
        }
    }

    fn char(&mut self) -> Option<char> {
        let char = self.0.chars().next()?;
        self.0 = &self.0[char.len_utf8()..];
        Some(char)
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.char()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.utf16()?,
            char @ ('"' | '\\' | '/') => char,
            _ => return None,
        })
    }

    /// Four hexadecimal digits, or twice four for what UTF-16 writes as a pair.
    fn utf16(&mut self) -> Option<char> {
        let first = self.unit()?;
        if let Some(char) = char::from_u32(u32::from(first)) {
            return Some(char);
        }
        self.0 = self.0.strip_prefix("\\u")?;
        char::decode_utf16([first, self.unit()?]).next()?.ok()
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.0.get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.0 = &self.0[4..];
        u16::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, Tensor};

    fn names(json: &str) -> Option<Vec<String>> {
        let tensors = Json(json).header()?;
        Some(tensors.into_iter().map(|tensor| tensor.name).collect())
    }

    #[test]
    fn tensors_are_read_whatever_the_order_of_their_keys_and_the_space_between() {
        let json = "{\"a\":{\"shape\":[2, 3],\"data_offsets\" : [0,\n24],\"dtype\":\"F32\"}}  ";
        let tensor = Tensor {
            name: "a".to_owned(),
            dtype: "F32".to_owned(),
            shape: vec![2, 3],
            bytes: (0, 24),
        };
        assert_eq!(Json(json).header(), Some(vec![tensor]));
        assert_eq!(Json(" { } ").header(), Some(vec![]));
    }

    #[test]
    fn names_and_metadata_may_hold_what_json_escapes() {
        let tensor = r#"{"dtype":"F32","shape":[],"data_offsets":[0,4]}"#;
        let json =
            format!(r#"{{"__metadata__":{{"a":"\/ \" {{ \\"}},"\u0041\ud83d\ude00é\n":{tensor}}}"#);
        assert_eq!(names(&json), Some(vec!["A😀é\n".to_owned()]));
    }

    #[test]
    fn what_is_no_json_of_this_kind_is_refused() {
        let tensor = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
        for json in [
            String::new(),
            "[]".to_owned(),
            "{".to_owned(),
            "{}x".to_owned(),
            format!(r#"{{"a":{tensor},}}"#),
            format!(r#"{{"a":{tensor} "b":{tensor}}}"#),
            format!(r#"{{a:{tensor}}}"#),
            format!(r#"{{"a":{}}}"#, tensor.replace("[1]", "[01]")),
            format!(r#"{{"a":{}}}"#, tensor.replace("[1]", "[-1]")),
            format!(r#"{{"a":{}}}"#, tensor.replace("[1]", "[1.0]")),
            format!(r#"{{"a":{}}}"#, tensor.replace("[1]", "[99999999999999999999]")),
            format!(r#"{{"a":{}}}"#, tensor.replace("[0,4]", "[0,4,8]")),
            format!(r#"{{"a":{}}}"#, tensor.replace("shape", "dtype")),
            format!(r#"{{"a":{}}}"#, tensor.replace("F32", "\\x")),
            format!(r#"{{"a":{}}}"#, tensor.replace("F32", "\\ud83d")),
            format!(r#"{{"__metadata__":{{"a":1}},"a":{tensor}}}"#),
        ] {
            assert_eq!(names(&json), None, "{json}");
        }
    }
}
