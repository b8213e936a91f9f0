//! Texts of JSON, for documents that are written by hand because a tree of values would take as long as some signatures.

use std::fmt::Write as _;

/// Adds a text as JSON has it (RFC 8259, section 7).
pub(crate) fn push_text(text: &mut String, value: &str) {
    text.push('"');
    // Looks at all bytes without a jump, which takes next to nothing; hardly any text needs more.
    let is_plain = |byte: u8| (byte >= b' ') & (byte != b'"') & (byte != b'\\');
    if value.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        text.push_str(value);
    } else {
        push_escaped(text, value);
    }
    text.push('"');
}

fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            // Writing to a string does not fail.
            control if control < ' ' => drop(write!(text, "\\u{:04x}", u32::from(control))),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_as_they_were() {
        for value in
            ["", "acme.com", "a\"b", "a\\", "a\"b\\c/é\u{1f600}", "é\0\u{1f}\n\t\u{7f}\u{2028}", "\\u0041"]
        {
            let mut text = String::new();
            push_text(&mut text, value);
            assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value);
        }
    }
}
