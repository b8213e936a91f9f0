//! Mutation of DER (X.690): elements are changed, and the lengths of all that hold them follow, so that a change deep in
//! a certificate is not refused for the frame around it. Lengths become wrong, too long or indefinite only on purpose.

/// How deep elements are looked for within each other.
const MAXIMUM_DEPTH: u8 = 32;

/// Tags that keys and certificates have.
const TAGS: [u8; 18] = [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x1e, 0x30, 0x31, 0xa0, 0xa1, 0xa3,
    0x80,
];

/// A sequence of numbers that depends on its seed alone (Steele, Lea and Flood: SplitMix64).
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of this seed.
    #[must_use]
    pub const fn new(seed: u32) -> Self {
        Self(seed as u64)
    }

    /// The next number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = usize::try_from((number ^ (number >> 31)) >> 33).unwrap();
        number.checked_rem(end).unwrap_or(0)
    }
}

#[derive(Clone)]
struct Element {
    tag: u8,
    length: Length,
    content: Content,
}

#[derive(Clone, Copy)]
enum Length {
    Shortest,
    LeadingZero,
    Indefinite,
    Off(isize),
}

#[derive(Clone)]
enum Content {
    Bytes(Vec<u8>),
    /// Also of a string that holds DER; a bit string has its count of unused bits before it.
    Elements(Vec<u8>, Vec<Element>),
}

/// Changes one element of what the bytes consist of; `None` when they do not consist of elements. `mutate` changes
/// the bytes of a content.
pub fn mutate(bytes: &[u8], numbers: &mut Numbers, mutate: impl FnMut(&mut Vec<u8>)) -> Option<Vec<u8>> {
    let mut elements = parse(bytes, 0, true)?;
    let mut place = numbers.below(count(&elements));
    change(find(&mut elements, &mut place)?, numbers, mutate);
    let mut written = Vec::with_capacity(bytes.len() + 16);
    write(&elements, &mut written);
    Some(written)
}

/// Whether these bytes consist of elements whose lengths are definite and in the shortest form, as DER asks. What stands in
/// strings is not looked at.
#[must_use]
pub fn has_shortest_lengths(bytes: &[u8]) -> bool {
    parse(bytes, 0, false).is_some_and(|elements| {
        let mut written = Vec::with_capacity(bytes.len());
        write(&elements, &mut written);
        written == bytes
    })
}

fn parse(mut bytes: &[u8], depth: u8, into_strings: bool) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        let (&[tag, first], rest) = bytes.split_first_chunk()?;
        let digits = usize::from(first & 0x7f);
        let (length, rest) = match first {
            0..=0x7f => (digits, rest),
            0x81..=0x84 => {
                let (length, rest) = rest.split_at_checked(digits)?;
                (length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let prefix = usize::from(tag == 0x03);
        let is_string = tag == 0x04 || (tag == 0x03 && content.first() == Some(&0));
        let may_hold = depth < MAXIMUM_DEPTH
            && content.len() > prefix
            && (tag & 0x20 != 0 || (into_strings && is_string));
        let inner = if may_hold { parse(&content[prefix..], depth + 1, into_strings) } else { None };
        let content = match inner {
            Some(inner) => Content::Elements(content[..prefix].to_vec(), inner),
            None => Content::Bytes(content.to_vec()),
        };
        elements.push(Element { tag, length: Length::Shortest, content });
        bytes = rest;
    }
    Some(elements)
}

fn count(elements: &[Element]) -> usize {
    let inner = |element: &Element| match &element.content {
        Content::Bytes(_) => 0,
        Content::Elements(_, inner) => count(inner),
    };
    elements.iter().map(|element| 1 + inner(element)).sum()
}

/// The element at this place, holders before what they hold.
fn find<'a>(elements: &'a mut [Element], place: &mut usize) -> Option<&'a mut Element> {
    for element in elements {
        if *place == 0 {
            return Some(element);
        }
        *place -= 1;
        if let Content::Elements(_, inner) = &mut element.content {
            let size = count(inner);
            if *place < size {
                return find(inner, place);
            }
            *place -= size;
        }
    }
    None
}

fn change(element: &mut Element, numbers: &mut Numbers, mut mutate: impl FnMut(&mut Vec<u8>)) {
    match numbers.below(16) {
        0 => element.tag = TAGS[numbers.below(TAGS.len())],
        1 => element.length = Length::LeadingZero,
        2 => element.length = Length::Indefinite,
        3 => element.length = Length::Off(isize::try_from(numbers.below(9)).unwrap() - 4),
        4 => {
            // Sizes on both sides of what lengths, integers and keys have for limits.
            let sizes = [0, 1, 20, 32, 33, 66, 127, 128, 129, 256, 257, 512, 1024];
            let byte = [0x00, 0x01, 0x7f, 0x80, 0xff][numbers.below(5)];
            element.content = Content::Bytes(vec![byte; sizes[numbers.below(sizes.len())]]);
        }
        _ => match &mut element.content {
            Content::Bytes(bytes) => mutate(bytes),
            Content::Elements(_, inner) => {
                let (one, other) = (numbers.below(inner.len()), numbers.below(inner.len()));
                match numbers.below(4) {
                    _ if inner.is_empty() => {}
                    0 => drop(inner.remove(one)),
                    1 => inner.insert(other, inner[one].clone()),
                    2 => inner.swap(one, other),
                    _ => inner[one] = inner[other].clone(),
                }
            }
        },
    }
}

fn write(elements: &[Element], written: &mut Vec<u8>) {
    for element in elements {
        let content = match &element.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Elements(prefix, inner) => {
                let mut content = prefix.clone();
                write(inner, &mut content);
                content
            }
        };
        written.push(element.tag);
        match element.length {
            Length::Shortest => write_length(content.len(), written),
            Length::LeadingZero => {
                let length = u32::try_from(content.len()).unwrap().to_be_bytes();
                written.push(0x84);
                written.extend(length);
            }
            Length::Indefinite => written.push(0x80),
            Length::Off(difference) => {
                write_length(content.len().saturating_add_signed(difference), written);
            }
        }
        written.extend(content);
        if matches!(element.length, Length::Indefinite) {
            written.extend([0, 0]);
        }
    }
}

fn write_length(length: usize, written: &mut Vec<u8>) {
    let bytes = length.to_be_bytes();
    let digits = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1)..];
    if length >= 0x80 {
        written.push(0x80 | u8::try_from(digits.len()).unwrap());
    }
    written.extend(digits);
}
