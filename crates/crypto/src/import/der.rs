//! The little of DER (X.690, section 10) that must be known of a key or certificate before OpenSSL reads it: whether it
//! is DER at all, and where its parts stand.

/// DER tags (X.680, section 8.6).
pub(super) mod tag {
    pub(in crate::import) const BOOLEAN: u8 = 0x01;
    pub(in crate::import) const INTEGER: u8 = 0x02;
    pub(in crate::import) const BIT_STRING: u8 = 0x03;
    pub(in crate::import) const OCTET_STRING: u8 = 0x04;
    pub(in crate::import) const NULL: u8 = 0x05;
    pub(in crate::import) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(in crate::import) const ENUMERATED: u8 = 0x0a;
    pub(in crate::import) const SEQUENCE: u8 = 0x30;
    pub(in crate::import) const SET: u8 = 0x31;
    /// `[0]`, constructed.
    pub(in crate::import) const CONTEXT_0: u8 = 0xa0;
    /// `[1]`, constructed.
    pub(in crate::import) const CONTEXT_1: u8 = 0xa1;
}

/// How deep elements may stand within each other. Certificates need about eight.
const MAXIMUM_DEPTH: u8 = 24;

/// Bit 6 of the first byte: the content consists of elements.
const CONSTRUCTED: u8 = 0x20;

/// One element after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// A reader of what stands in the one element that `bytes` consists of.
    pub(super) fn of(tag: u8, bytes: &'a [u8]) -> Option<Self> {
        let mut whole = Self(bytes);
        let content = whole.take(tag)?;
        whole.is_at_end().then_some(Self(content))
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// What has not been read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The tag of the next element.
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.element()?;
        (found == tag).then_some(content)
    }

    /// The next element, head and all, if it has this tag.
    pub(super) fn take_whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.take(tag)?;
        before.get(..before.len() - self.0.len())
    }

    /// Tag and content of the next element. Its length must be definite and in the shortest form, its tag number below
    /// 31 (neither keys nor certificates have higher ones).
    fn element(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
                if length < 0x80 || digits.first() == Some(&0) {
                    return None;
                }
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

/// Whether these bytes are one element in DER: lengths, integers, truth values, identifiers and bit strings in their
/// only form, strings in one piece. Says nothing about the order of sets and values that are the default.
pub(crate) fn is_der(bytes: &[u8]) -> bool {
    let mut reader = Reader(bytes);
    is_element(&mut reader, 0) && reader.is_at_end()
}

fn is_element(reader: &mut Reader<'_>, depth: u8) -> bool {
    let Some((tag, content)) = reader.element() else {
        return false;
    };
    if tag & CONSTRUCTED == 0 {
        return is_primitive(tag, content);
    }
    // Of the universal types, only sequences and sets consist of elements.
    if depth == MAXIMUM_DEPTH || (tag & 0xc0 == 0 && tag != tag::SEQUENCE && tag != tag::SET) {
        return false;
    }
    let mut inner = Reader(content);
    while !inner.is_at_end() {
        if !is_element(&mut inner, depth + 1) {
            return false;
        }
    }
    true
}

fn is_primitive(tag: u8, content: &[u8]) -> bool {
    match tag {
        tag::INTEGER | tag::ENUMERATED => match content {
            [] => false,
            [0, second, ..] => *second >= 0x80,
            [0xff, second, ..] => *second < 0x80,
            _ => true,
        },
        tag::BOOLEAN => matches!(content, [0] | [0xff]),
        tag::NULL => content.is_empty(),
        tag::BIT_STRING => match content {
            [0, ..] => true,
            [unused @ 1..=7, .., last] => last.trailing_zeros() >= u32::from(*unused),
            _ => false,
        },
        tag::OBJECT_IDENTIFIER => {
            let mut at_start = true;
            for byte in content {
                if at_start && *byte == 0x80 {
                    return false;
                }
                at_start = byte & 0x80 == 0;
            }
            at_start && !content.is_empty()
        }
        // End of contents, and the two types that are always constructed.
        0x00 | 0x10 | 0x11 => false,
        _ => true,
    }
}

/// The number of bits of a positive INTEGER; `None` for zero and negative ones.
pub(super) fn positive_bits(integer: &[u8]) -> Option<usize> {
    let digits = match integer {
        [0, digits @ ..] => digits,
        [0x80..=0xff, ..] => return None,
        digits => digits,
    };
    let first = digits.first()?;
    Some(digits.len() * 8 - usize::try_from(first.leading_zeros()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_has_one_form() {
        for good in [
            &[0x30, 0][..],
            &[0x30, 3, 2, 1, 0],
            &[2, 1, 0x80],
            &[2, 2, 0, 0x80],
            &[2, 2, 0xff, 0x7f],
            &[1, 1, 0xff],
            &[5, 0],
            &[6, 3, 0x55, 4, 3],
            &[3, 1, 0],
            &[3, 2, 7, 0x80],
            &[0xa0, 2, 5, 0],
            &[0x80, 1, 7],
            &[&[4, 0x81, 0x80][..], &[0; 128]].concat(),
            &[&[4, 0x82, 1, 0][..], &[0; 256]].concat(),
        ] {
            assert!(is_der(good), "{good:02x?}");
        }
        for bad in [
            &[][..],
            &[0x30],
            &[0x30, 1],
            &[0x30, 0, 0],                                  // more follows
            &[0x30, 0x80, 0, 0],                            // indefinite length
            &[0x30, 0x81, 0],                               // long form of a short length
            &[&[4, 0x82, 0, 0x80][..], &[0; 128]].concat(), // leading zero of a length
            &[0x30, 0x84, 0, 0, 0, 0],
            &[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0xff],
            &[0x30, 2, 2, 1], // longer than its frame
            &[2, 0],
            &[2, 2, 0, 0x7f],
            &[2, 2, 0xff, 0x80],
            &[1, 1, 1],
            &[1, 0],
            &[5, 1, 0],
            &[6, 0],
            &[6, 1, 0x80],
            &[6, 2, 0x55, 0x80],
            &[6, 3, 0x55, 0x80, 1],
            &[3, 0],
            &[3, 1, 1],
            &[3, 2, 8, 0],
            &[3, 2, 1, 1],
            &[0x24, 3, 4, 1, 0], // a string in pieces
            &[0x10, 0],
            &[0x1f, 0x20, 0],
            &[0, 0],
        ] {
            assert!(!is_der(bad), "{bad:02x?}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| {
            (0..depth)
                .fold(vec![5, 0], |inner, _| [vec![0x30, u8::try_from(inner.len()).unwrap()], inner].concat())
        };
        assert!(is_der(&nested(24)));
        assert!(!is_der(&nested(25)));
    }

    #[test]
    fn bits_of_integers() {
        for (integer, expected) in [
            (&[0][..], None),
            (&[0x80], None),
            (&[1], Some(1)),
            (&[0x7f], Some(7)),
            (&[0, 0x80], Some(8)),
            (&[1, 0], Some(9)),
            (&[], None),
        ] {
            assert_eq!(positive_bits(integer), expected, "{integer:02x?}");
        }
    }
}
