//! Distinguished names as text (RFC 4514): most specific part first, no spaces after commas.

use crate::CryptoError;

/// The attribute type of common names.
const COMMON_NAME: &str = "2.5.4.3";

/// The attribute types with a short name (RFC 4514, section 3). All others are written as their number.
const SHORT_NAMES: [(&str, &str); 9] = [
    (COMMON_NAME, "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// DER tags (X.680, section 8.6).
mod tag {
    pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(super) const UTF8_STRING: u8 = 0x0c;
    pub(super) const NUMERIC_STRING: u8 = 0x12;
    pub(super) const PRINTABLE_STRING: u8 = 0x13;
    pub(super) const TELETEX_STRING: u8 = 0x14;
    pub(super) const IA5_STRING: u8 = 0x16;
    pub(super) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(super) const BMP_STRING: u8 = 0x1e;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
}

/// The text of a `Name` (RFC 5280, section 4.1.2.4) in DER. OpenSSL knows the names of more attribute types than RFC
/// 4514 and does not tell which parts stand in one set, so the DER is read here.
///
/// # Errors
/// [`CryptoError::Malformed`] when the bytes are no `Name`.
pub(crate) fn to_text(der: &[u8]) -> Result<String, CryptoError> {
    name(der).ok_or(CryptoError::Malformed)
}

/// The value of the most specific common name of a `Name` in DER, as it is and not escaped. `None` when there is none,
/// or none that can be shown: no string, or one with control characters.
pub(crate) fn common_name(der: &[u8]) -> Option<String> {
    let (sequence, _) = Element::read(der)?;
    let mut sets = sequence.content_of(tag::SEQUENCE)?;
    let mut found = None;
    while !sets.is_empty() {
        let (set, rest) = Element::read(sets)?;
        let mut attributes = set.content_of(tag::SET)?;
        while !attributes.is_empty() {
            let (attribute, rest) = Element::read(attributes)?;
            let (kind, value) = Element::read(attribute.content_of(tag::SEQUENCE)?)?;
            if object_identifier(kind.content_of(tag::OBJECT_IDENTIFIER)?)? == COMMON_NAME {
                found = Element::read(value)?.0.text();
            }
            attributes = rest;
        }
        sets = rest;
    }
    found.filter(|text| !text.chars().any(char::is_control))
}

fn name(der: &[u8]) -> Option<String> {
    let (sequence, rest) = Element::read(der)?;
    if !rest.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    let mut sets = sequence.content_of(tag::SEQUENCE)?;
    while !sets.is_empty() {
        let (set, rest) = Element::read(sets)?;
        parts.push(relative_name(set.content_of(tag::SET)?)?);
        sets = rest;
    }
    parts.reverse();
    Some(parts.join(","))
}

/// One set of attributes that belong together, joined by `+`.
fn relative_name(mut attributes: &[u8]) -> Option<String> {
    let mut texts = Vec::new();
    while !attributes.is_empty() {
        let (attribute, rest) = Element::read(attributes)?;
        let (kind, value) = Element::read(attribute.content_of(tag::SEQUENCE)?)?;
        let (value, nothing) = Element::read(value)?;
        if !nothing.is_empty() {
            return None;
        }
        let identifier = object_identifier(kind.content_of(tag::OBJECT_IDENTIFIER)?)?;
        let short_name = SHORT_NAMES.iter().find(|(number, _)| *number == identifier).map(|(_, name)| *name);
        texts.push(match (short_name, value.text()) {
            (Some(short_name), Some(text)) => format!("{short_name}={}", escape(&text)),
            (short_name, _) => format!("{}=#{}", short_name.unwrap_or(&identifier), hex(value.whole)),
        });
        attributes = rest;
    }
    Some(texts.join("+"))
}

/// One DER element.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element of these bytes, and what follows it.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&tag, rest) = bytes.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Names are far below 16 MiB, so three bytes of length are plenty.
            0x81..=0x83 => {
                let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = bytes.get(..bytes.len() - after.len())?;
        Some((Self { tag, content, whole }, after))
    }

    fn content_of(&self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }

    /// The value if it is a string; `None` otherwise and where the string breaks the rules of its type.
    fn text(&self) -> Option<String> {
        match self.tag {
            tag::UTF8_STRING => String::from_utf8(self.content.to_vec()).ok(),
            tag::NUMERIC_STRING | tag::PRINTABLE_STRING | tag::IA5_STRING => {
                self.content.is_ascii().then(|| self.content.iter().copied().map(char::from).collect())
            }
            // In practice ISO 8859-1, whatever T.61 says.
            tag::TELETEX_STRING => Some(self.content.iter().copied().map(char::from).collect()),
            tag::BMP_STRING => {
                let (units, rest) = self.content.as_chunks::<2>();
                let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
                rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<_, _>>().ok())?
            }
            tag::UNIVERSAL_STRING => {
                let (units, rest) = self.content.as_chunks::<4>();
                let mut units = units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit)));
                rest.is_empty().then(|| units.by_ref().collect())?
            }
            _ => None,
        }
    }
}

/// The dotted form of an object identifier (X.690, section 8.19).
fn object_identifier(content: &[u8]) -> Option<String> {
    let mut numbers = Vec::new();
    let mut number: u128 = 0;
    for byte in content {
        number = number.checked_mul(128)?.checked_add(u128::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    if content.last()? & 0x80 != 0 {
        return None;
    }
    let (first, rest) = numbers.split_first()?;
    let root = (first / 40).min(2);
    let mut text = format!("{root}.{}", first - root * 40);
    for number in rest {
        text.push('.');
        text.push_str(&number.to_string());
    }
    Some(text)
}

/// Escapes as RFC 4514, section 2.4 asks; control characters too, so that a name stays on one line of a log.
fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (place, character) in value.char_indices() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', character]),
            '#' if place == 0 => text.push_str("\\#"),
            ' ' if place == 0 || place == last => text.push_str("\\ "),
            _ if character.is_control() => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    text.push_str(&format!("\\{byte:02X}"));
                }
            }
            _ => text.push(character),
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use openssl::asn1::Asn1Type;
    use openssl::nid::Nid;
    use openssl::x509::X509Name;

    use super::*;

    /// The DER of one element.
    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u8::try_from(content.len()).unwrap();
        let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [head, content].concat()
    }

    /// The text of a name with one attribute.
    fn single(identifier: &[u8], value_tag: u8, value: &[u8]) -> Result<String, CryptoError> {
        let attribute = element(tag::SEQUENCE, &[&element(6, &[identifier]), &element(value_tag, &[value])]);
        to_text(&element(tag::SEQUENCE, &[&element(tag::SET, &[&attribute])]))
    }

    const COMMON_NAME_DER: &[u8] = &[0x55, 4, 3];

    #[test]
    fn the_most_specific_part_comes_first() {
        let mut builder = X509Name::builder().unwrap();
        for (nid, value) in [
            (Nid::COUNTRYNAME, "DE"),
            (Nid::DOMAINCOMPONENT, "example"),
            (Nid::STATEORPROVINCENAME, "Bayern"),
            (Nid::LOCALITYNAME, "München"),
            (Nid::ORGANIZATIONNAME, "Acme, Inc."),
            (Nid::ORGANIZATIONALUNITNAME, "R+D"),
            (Nid::COMMONNAME, "acme.com"),
            (Nid::PKCS9_EMAILADDRESS, "a@acme.com"),
        ] {
            let kind = if nid == Nid::COUNTRYNAME { Asn1Type::PRINTABLESTRING } else { Asn1Type::UTF8STRING };
            builder.append_entry_by_nid_with_type(nid, value, kind).unwrap();
        }
        assert_eq!(
            to_text(&builder.build().to_der().unwrap()).unwrap(),
            "1.2.840.113549.1.9.1=#0C0A614061636D652E636F6D,CN=acme.com,OU=R\\+D,O=Acme\\, Inc.,L=München,\
             ST=Bayern,DC=example,C=DE"
        );
        assert_eq!(to_text(&X509Name::builder().unwrap().build().to_der().unwrap()), Ok(String::new()));
    }

    #[test]
    fn attributes_of_one_set_are_joined() {
        let first = element(tag::SEQUENCE, &[&element(6, &[COMMON_NAME_DER]), &element(0x13, &[b"a"])]);
        let second = element(tag::SEQUENCE, &[&element(6, &[&[0x55, 4, 10]]), &element(0x13, &[b"b"])]);
        let name = element(tag::SEQUENCE, &[&element(tag::SET, &[&first, &second])]);
        assert_eq!(to_text(&name).unwrap(), "CN=a+O=b");
    }

    #[test]
    fn the_common_name_is_the_most_specific_one() {
        let attribute = |identifier: &[u8], value_tag, value: &[u8]| {
            element(tag::SEQUENCE, &[&element(6, &[identifier]), &element(value_tag, &[value])])
        };
        let name = |attributes: &[Vec<u8>]| {
            let sets: Vec<Vec<u8>> = attributes.iter().map(|one| element(tag::SET, &[one])).collect();
            element(tag::SEQUENCE, &[&sets.concat()])
        };
        let (first, second) =
            (attribute(COMMON_NAME_DER, 0x13, b"a"), attribute(COMMON_NAME_DER, 0x0c, b"b, c"));
        let other = attribute(&[0x55, 4, 10], 0x13, b"o");
        assert_eq!(common_name(&name(&[first.clone(), second.clone(), other.clone()])).unwrap(), "b, c");
        assert_eq!(common_name(&name(&[second, first])).unwrap(), "a");
        assert_eq!(common_name(&name(&[other])), None);
        assert_eq!(common_name(&name(&[])), None);
        for hidden in [b"acme.com\0.evil".as_slice(), b"a\nb", b"\xc2\x85", b"\xff"] {
            assert_eq!(common_name(&name(&[attribute(COMMON_NAME_DER, 0x0c, hidden)])), None);
        }
    }

    #[test]
    fn values_are_escaped() {
        for (value, expected) in [
            ("#1", "CN=\\#1"),
            ("a#", "CN=a#"),
            (" a b ", "CN=\\ a b\\ "),
            (" ", "CN=\\ "),
            ("", "CN="),
            ("\"<>;\\", "CN=\\\"\\<\\>\\;\\\\"),
            ("a\nb\0\u{85}", "CN=a\\0Ab\\00\\C2\\85"),
            ("a=b", "CN=a=b"),
        ] {
            assert_eq!(single(COMMON_NAME_DER, tag::UTF8_STRING, value.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn strings_of_every_type_are_read() {
        for (kind, value, expected) in [
            (tag::BMP_STRING, b"\x00A\xd8\x3d\xde\x00".as_slice(), "CN=A\u{1f600}"),
            (tag::UNIVERSAL_STRING, b"\x00\x01\xf6\x00", "CN=\u{1f600}"),
            (tag::TELETEX_STRING, b"M\xfc", "CN=Mü"),
            (tag::NUMERIC_STRING, b"12", "CN=12"),
            // Not what their type says, or no string at all.
            (tag::UTF8_STRING, b"\xff", "CN=#0C01FF"),
            (tag::PRINTABLE_STRING, b"\xff", "CN=#1301FF"),
            (tag::BMP_STRING, b"\x00", "CN=#1E0100"),
            (tag::BMP_STRING, b"\xd8\x3d", "CN=#1E02D83D"),
            (tag::UNIVERSAL_STRING, b"\x00\x11\x00\x00", "CN=#1C0400110000"),
            (4, b"ab", "CN=#04026162"),
        ] {
            assert_eq!(single(COMMON_NAME_DER, kind, value).unwrap(), expected);
        }
        let long = "x".repeat(100);
        assert_eq!(single(COMMON_NAME_DER, 0x13, long.as_bytes()).unwrap(), format!("CN={long}"));
    }

    #[test]
    fn object_identifiers_are_written_with_dots() {
        assert_eq!(object_identifier(&[0x88, 0x37, 3]).unwrap(), "2.999.3");
        assert_eq!(object_identifier(&[39]).unwrap(), "0.39");
        assert_eq!(object_identifier(&[0x2a, 0x86, 0x48]).unwrap(), "1.2.840");
        assert_eq!(object_identifier(&[]), None);
        assert_eq!(object_identifier(&[0x2a, 0x86]), None);
        assert_eq!(object_identifier(&[0xff; 30]), None);
    }

    #[test]
    fn damaged_names_are_refused() {
        let mut builder = X509Name::builder().unwrap();
        builder.append_entry_by_nid(Nid::COMMONNAME, "acme.com").unwrap();
        let der = builder.build().to_der().unwrap();
        for length in 0..der.len() {
            assert_eq!(to_text(&der[..length]), Err(CryptoError::Malformed));
        }
        assert_eq!(to_text(&[der.as_slice(), &[0]].concat()), Err(CryptoError::Malformed));
        for bad in [&[0x30, 0x80, 0, 0][..], &[0x30, 0x84, 0, 0, 0, 0], &[0x30, 0x83, 0xff, 0xff, 0xff]] {
            assert_eq!(to_text(bad), Err(CryptoError::Malformed));
        }
    }
}
