//! The name in a client's certificate.
//!
//! ```text
//! certificate SEQUENCE ─ to be signed SEQUENCE ─ [version] serial algorithm issuer validity subject …
//! subject SEQUENCE of SET of SEQUENCE { OID 2.5.4.3 (common name), text }
//! ```
//!
//! *Invariant.* Any bytes give a name or none; nothing here panics. The certificate was verified
//! before: this reads only who it is for (RFC 5280, 4.1; X.690).
//!
//! Why not a library: it is the one field of one structure.

/// Tag of a SEQUENCE.
const SEQUENCE: u8 = 0x30;
/// Tag of a SET.
const SET: u8 = 0x31;
/// Tag of an explicit version.
const VERSION: u8 = 0xA0;
/// Tag and content of the object identifier of a common name.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const OBJECT_IDENTIFIER: u8 = 0x06;
/// `UTF8String`, `PrintableString`, `IA5String`.
const TEXTS: [u8; 3] = [0x0C, 0x13, 0x16];

/// The common name of the subject.
pub(super) fn common_name(der: &[u8]) -> Option<&str> {
    let mut certificate = content(&mut { der }, SEQUENCE)?;
    let mut signed = content(&mut certificate, SEQUENCE)?;
    if signed.first() == Some(&VERSION) {
        next(&mut signed)?;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        next(&mut signed)?;
    }
    let mut subject = content(&mut signed, SEQUENCE)?;
    while !subject.is_empty() {
        let mut names = content(&mut subject, SET)?;
        while !names.is_empty() {
            let mut attribute = content(&mut names, SEQUENCE)?;
            if content(&mut attribute, OBJECT_IDENTIFIER)? == COMMON_NAME {
                let (tag, text) = next(&mut attribute)?;
                let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty());
                return text.filter(|_| TEXTS.contains(&tag));
            }
        }
    }
    None
}

/// The content of the next element, which must have this tag.
fn content<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    next(bytes).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// Tag and content of the next element.
fn next<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = match first {
        0..=0x7F => usize::from(first),
        0x81..=0x83 => {
            let (digits, after) = rest.split_at_checked(usize::from(first & 0x7F))?;
            rest = after;
            digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    *bytes = after;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], &content[..]].concat()
    }

    fn certificate(version: &[u8]) -> Vec<u8> {
        let attribute = |oid: &[u8], text: &[u8]| {
            let parts = [element(OBJECT_IDENTIFIER, &[oid]), element(0x0C, &[text])];
            element(SET, &[&element(SEQUENCE, &[&parts[0], &parts[1]])])
        };
        let subject = [attribute(&[0x55, 0x04, 0x0A], b"acme"), attribute(COMMON_NAME, b"plc-7")];
        let other = element(SEQUENCE, &[b"?"]);
        let subject = element(SEQUENCE, &[&subject[0], &subject[1]]);
        let signed =
            element(SEQUENCE, &[version, &[2, 1, 5], &other, &other, &other, &subject, &other]);
        element(SEQUENCE, &[&signed, &other])
    }

    #[test]
    fn the_common_name_of_the_subject_is_found() {
        assert_eq!(common_name(&certificate(&[0xA0, 3, 2, 1, 2])), Some("plc-7"));
        assert_eq!(common_name(&certificate(&[])), Some("plc-7"));
    }

    #[test]
    fn what_is_cut_or_changed_is_no_name_or_another_and_never_a_panic() {
        let whole = certificate(&[0xA0, 3, 2, 1, 2]);
        for end in 0..whole.len() {
            assert_eq!(common_name(&whole[..end]), None, "{end} bytes");
        }
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut changed = whole.clone();
                changed[at] ^= flip;
                let name = common_name(&changed);
                assert!(name.is_none_or(|name| name.len() < whole.len()));
            }
        }
    }
}
