//! RDATA for people, in presentation format: a table of fields by type. Types that are not in the table, and RDATA that breaks its
//! type's format, are written as in RFC 3597 §5. The output is always printable ASCII.

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::kind::RecordType;
use super::name::NameRef;
use super::shown::{Quoted, Word};
use super::svcb::Svcb;
use super::wire::{Malformed, NameBuf, Reader};

/// One field of RDATA.
#[derive(Clone, Copy)]
enum Field {
    /// A number with this many octets.
    Number(usize),
    /// A type's mnemonic.
    Type,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// A domain name.
    Name,
    /// A length octet and as many octets, in quotes.
    Text,
    /// One or more of them.
    Texts,
    /// One of them, without quotes.
    Tag,
    /// The rest, in quotes.
    Quote,
    /// The rest, in hexadecimal.
    Hex,
    /// The rest, in base64 (RFC 4648 §4).
    Base64,
    /// A length octet and as many octets, in hexadecimal; `-` for none.
    Salt,
    /// A length octet and as many octets, in base32 with the extended hex alphabet (RFC 4648 §7).
    Hash,
    /// A type bitmap (RFC 4034 §4.1.2).
    Types,
}

use Field::{Base64, Hash, Hex, Name, Number, Quote, Salt, Tag, Text, Texts, Type, Types, V4, V6};

const KEY: &[Field] = &[Number(2), Number(1), Number(1), Base64];
const DIGEST: &[Field] = &[Number(2), Number(1), Number(1), Hex];
const ASSOCIATION: &[Field] = &[Number(1), Number(1), Number(1), Hex];
const SIGNATURE: &[Field] =
    &[Type, Number(1), Number(1), Number(4), Number(4), Number(4), Number(2), Name, Base64];

/// The fields by the number of the type.
const LAYOUTS: &[(&[u16], &[Field])] = &[
    // A, and AAAA
    (&[1], &[V4]),
    (&[28], &[V6]),
    // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
    (&[2, 3, 4, 5, 7, 8, 9, 12, 39], &[Name]),
    // SOA
    (&[6], &[Name, Name, Number(4), Number(4), Number(4), Number(4), Number(4)]),
    // HINFO
    (&[13], &[Text, Text]),
    // MINFO, RP
    (&[14, 17], &[Name, Name]),
    // MX, AFSDB, RT, KX, LP
    (&[15, 18, 21, 36, 107], &[Number(2), Name]),
    // TXT, X25, ISDN, NINFO, SPF, AVC
    (&[16, 19, 20, 56, 99, 258], &[Texts]),
    // SIG, RRSIG
    (&[24, 46], SIGNATURE),
    // KEY, DNSKEY, CDNSKEY, RKEY
    (&[25, 48, 60, 57], KEY),
    // PX
    (&[26], &[Number(2), Name, Name]),
    // SRV
    (&[33], &[Number(2), Number(2), Number(2), Name]),
    // NAPTR
    (&[35], &[Number(2), Number(2), Text, Text, Text, Name]),
    // CERT
    (&[37], &[Number(2), Number(2), Number(1), Base64]),
    // DS, CDS, DLV
    (&[43, 59, 32769], DIGEST),
    // SSHFP
    (&[44], &[Number(1), Number(1), Hex]),
    // NSEC
    (&[47], &[Name, Types]),
    // NSEC3, NSEC3PARAM
    (&[50], &[Number(1), Number(1), Number(2), Salt, Hash, Types]),
    (&[51], &[Number(1), Number(1), Number(2), Salt]),
    // TLSA, SMIMEA
    (&[52, 53], ASSOCIATION),
    // OPENPGPKEY
    (&[61], &[Base64]),
    // CSYNC
    (&[62], &[Number(4), Number(2), Types]),
    // L32
    (&[105], &[Number(2), V4]),
    // URI
    (&[256], &[Number(2), Number(2), Quote]),
    // CAA
    (&[257], &[Number(1), Tag, Quote]),
];

/// The RDATA, its names uncompressed, of a record of type `rtype`.
pub(super) fn present(rtype: RecordType, rdata: &[u8]) -> String {
    let known = if rtype.is_service_binding() { service(rdata) } else { by_layout(rtype, rdata) };
    known.unwrap_or_else(|_| generic(rdata))
}

/// RFC 3597 §5
fn generic(rdata: &[u8]) -> String {
    let mut text = format!("\\# {}", rdata.len());
    if !rdata.is_empty() {
        text.push(' ');
        hex(rdata, &mut text);
    }
    text
}

fn by_layout(rtype: RecordType, rdata: &[u8]) -> Result<String, Malformed> {
    let layout = LAYOUTS.iter().find(|(types, _)| types.contains(&rtype.0)).ok_or(Malformed)?.1;
    let mut reader = Reader::new(rdata, 0);
    let mut text = String::new();
    for field in layout {
        if !text.is_empty() && !text.ends_with(' ') {
            text.push(' ');
        }
        push(*field, &mut reader, rdata, &mut text)?;
    }
    text.truncate(text.trim_end().len());
    if reader.is_at_end() { Ok(text) } else { Err(Malformed) }
}

fn push(field: Field, reader: &mut Reader<'_>, rdata: &[u8], text: &mut String) -> Result<(), Malformed> {
    match field {
        Number(length) => {
            let octets = reader.take(length)?;
            show(octets.iter().fold(0u64, |number, octet| number << 8 | u64::from(*octet)), text);
        }
        Type => show(RecordType(reader.u16()?), text),
        V4 => show(Ipv4Addr::from(array::<4>(reader)?), text),
        V6 => show(Ipv6Addr::from(array::<16>(reader)?), text),
        Name => {
            let mut name = NameBuf::new();
            reader.name(&mut name)?;
            push_name(name.as_name(), text);
        }
        Text => show(Quoted(counted(reader)?), text),
        Texts => {
            while !reader.is_at_end() {
                show(Quoted(counted(reader)?), text);
                text.push(' ');
            }
        }
        Tag => show(Word(counted(reader)?), text),
        Quote => show(Quoted(rest(reader, rdata)?), text),
        Hex => hex(rest(reader, rdata)?, text),
        Base64 => base64(rest(reader, rdata)?, text),
        Salt => match counted(reader)? {
            [] => text.push('-'),
            salt => hex(salt, text),
        },
        Hash => base(5, b"0123456789abcdefghijklmnopqrstuv", counted(reader)?, text),
        Types => types(rest(reader, rdata)?, text)?,
    }
    Ok(())
}

fn show(what: impl fmt::Display, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{what}");
}

/// An absolute name, with the dot at its end (RFC 1035 §5.1).
fn push_name(name: NameRef<'_>, text: &mut String) {
    show(name, text);
    if !text.ends_with('.') {
        text.push('.');
    }
}

fn array<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], Malformed> {
    reader.take(N)?.try_into().map_err(|_| Malformed)
}

fn counted<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let length = reader.u8()?;
    reader.take(usize::from(length))
}

fn rest<'a>(reader: &mut Reader<'a>, rdata: &[u8]) -> Result<&'a [u8], Malformed> {
    reader.take(rdata.len().saturating_sub(reader.position()))
}

fn hex(octets: &[u8], text: &mut String) {
    octets.iter().for_each(|octet| show(format_args!("{octet:02x}"), text));
}

fn base64(octets: &[u8], text: &mut String) {
    base(6, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", octets, text);
    text.extend(std::iter::repeat_n('=', (3 - octets.len() % 3) % 3));
}

/// The octets as digits of `bits` bits each.
fn base(bits: u32, alphabet: &[u8], octets: &[u8], text: &mut String) {
    let (mut held, mut count) = (0u32, 0);
    let digit = |held: u32| alphabet.get(held as usize % alphabet.len()).map(|digit| char::from(*digit));
    for octet in octets {
        held = held << 8 & 0xffff | u32::from(*octet);
        count += 8;
        while count >= bits {
            count -= bits;
            text.extend(digit(held >> count));
        }
    }
    if count > 0 {
        text.extend(digit(held << (bits - count)));
    }
}

/// Blocks of a number, a length and as many octets of bits (RFC 4034 §4.1.2).
fn types(bitmap: &[u8], text: &mut String) -> Result<(), Malformed> {
    let mut reader = Reader::new(bitmap, 0);
    while !reader.is_at_end() {
        let block = u16::from(reader.u8()?);
        for (index, octet) in (0u16..).zip(counted(&mut reader)?) {
            for bit in (0..8).filter(|bit| octet & 0x80 >> bit != 0) {
                show(RecordType(block << 8 | (index * 8 + bit) & 0xff), text);
                text.push(' ');
            }
        }
    }
    Ok(())
}

/// RFC 9460 §2.1
fn service(rdata: &[u8]) -> Result<String, Malformed> {
    let svcb = Svcb::parse(rdata)?;
    let mut text = format!("{} ", svcb.priority());
    push_name(svcb.target(), &mut text);
    for (key, value) in svcb.params() {
        text.push(' ');
        push_key(key, &mut text);
        if value.is_empty() {
            continue;
        }
        text.push('=');
        param(key, value, &mut text)?;
    }
    Ok(text)
}

/// SvcParamKeys by number (RFC 9460 §14.3.2, RFC 9461 §5, RFC 9540 §4).
const KEYS: [&str; 9] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];

fn push_key(key: u16, text: &mut String) {
    match KEYS.get(usize::from(key)) {
        Some(named) => text.push_str(named),
        None => show(format_args!("key{key}"), text),
    }
}

fn param(key: u16, value: &[u8], text: &mut String) -> Result<(), Malformed> {
    let mut reader = Reader::new(value, 0);
    if !matches!(key, 0 | 1 | 3..=6) {
        show(Quoted(value), text);
        return Ok(());
    }
    if key == 5 {
        base64(value, text);
        return Ok(());
    }
    let mut comma = "";
    while !reader.is_at_end() {
        text.push_str(comma);
        comma = ",";
        match key {
            0 => push_key(reader.u16()?, text),
            1 => show(Word(counted(&mut reader)?), text),
            3 => show(reader.u16()?, text),
            4 => show(Ipv4Addr::from(array::<4>(&mut reader)?), text),
            _ => show(Ipv6Addr::from(array::<16>(&mut reader)?), text),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::shown::is_visible;
    use proptest::prelude::*;

    /// For these types, every record is shown, whatever it holds.
    fn types_shown() -> impl Iterator<Item = u16> {
        LAYOUTS.iter().flat_map(|(types, _)| types.iter().copied()).chain([64, 65, 10, 41, 65280])
    }

    #[test]
    fn each_type_is_shown_field_by_field() {
        const EVIL: &[u8] = b"\x1b]0;\r\n\x07\xc2\x9b\xe2\x80\xae\"\\";
        let text = [&[14][..], EVIL].concat();
        let name = [&text[..], &[0]].concat();
        let shown_text = r#""\027]0;\013\010\007\194\155\226\128\174\034\092""#;
        let shown_name = r"\027\0930\059\013\010\007\194\155\226\128\174\034\092.".to_owned();
        let record = |parts: &[&[u8]]| parts.concat();
        for (rtype, rdata, shown) in [
            (1, vec![192, 0, 2, 1], "192.0.2.1".to_owned()),
            (28, record(&[&[0x20, 1, 0xd, 0xb8], &[0; 11], &[1]]), "2001:db8::1".to_owned()),
            (2, name.clone(), shown_name.clone()),
            (5, name.clone(), shown_name.clone()),
            (12, name.clone(), shown_name.clone()),
            (39, name.clone(), shown_name.clone()),
            (
                6,
                record(&[&name, &name, &[0, 0, 0, 1].repeat(5)]),
                format!("{shown_name} {shown_name} 1 1 1 1 1"),
            ),
            (13, record(&[&text, &[0]]), format!("{shown_text} \"\"")),
            (15, record(&[&[0, 10], &name]), format!("10 {shown_name}")),
            (16, record(&[&text, &[1, b'x']]), format!("{shown_text} \"x\"")),
            (99, text.clone(), shown_text.to_owned()),
            (17, record(&[&name, &name]), format!("{shown_name} {shown_name}")),
            (33, record(&[&[0, 1, 0, 2, 0, 80], &name]), format!("1 2 80 {shown_name}")),
            (
                35,
                record(&[&[0, 1, 0, 2], &text, &text, &text, &name]),
                format!("1 2 {shown_text} {shown_text} {shown_text} {shown_name}"),
            ),
            (43, vec![0, 7, 8, 2, 0xab, 0xcd], "7 8 2 abcd".to_owned()),
            (
                46,
                record(&[&[0, 1, 8, 2, 0, 0, 0, 60, 0, 0, 0, 9, 0, 0, 0, 8, 0, 7], &name, b"ab"]),
                format!("A 8 2 60 9 8 7 {shown_name} YWI="),
            ),
            (47, record(&[&name, &[0, 2, 0x40, 1, 1, 1, 0x40]]), format!("{shown_name} A MX CAA")),
            (48, vec![1, 1, 3, 8, b'a', b'b', b'c'], "257 3 8 YWJj".to_owned()),
            (50, vec![1, 0, 0, 5, 0, 2, 0xff, 0xff, 0, 1, 0x40], "1 0 5 - vvvg A".to_owned()),
            (51, vec![1, 0, 0, 5, 2, 0xab, 0xcd], "1 0 5 abcd".to_owned()),
            (52, vec![3, 1, 1, 0xff], "3 1 1 ff".to_owned()),
            (256, record(&[&[0, 1, 0, 2], EVIL]), format!("1 2 {shown_text}")),
            (257, record(&[&[0, 3, b'a', 0x1b, b' '], EVIL]), format!(r"0 a\027\032 {shown_text}")),
            // RDATA that breaks its format, or has no known format, in hexadecimal.
            (1, vec![1, 2, 3], r"\# 3 010203".to_owned()),
            (16, vec![5, 0x1b], r"\# 2 051b".to_owned()),
            (65280, vec![], r"\# 0".to_owned()),
            (65280, b"\x1b\n".to_vec(), r"\# 2 1b0a".to_owned()),
        ] {
            assert_eq!(present(RecordType(rtype), &rdata), shown, "TYPE{rtype}");
        }
    }

    #[test]
    fn service_parameters_are_shown_by_their_keys() {
        let mut rdata = vec![0, 1, 0];
        for (key, value) in [
            (0u16, b"\0\x01\xfe\x01".as_slice()),
            (1, b"\x02h2\x05a,\x1b\n\""),
            (2, b""),
            (3, b"\x01\xbb"),
            (4, &[192, 0, 2, 1, 192, 0, 2, 2]),
            (5, b"abc"),
            (6, &[0; 16]),
            (7, b"/q{?dns}\x1b"),
            (0xfe01, b"\r\x9b"),
        ] {
            rdata.extend(key.to_be_bytes());
            rdata.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            rdata.extend(value);
        }
        assert_eq!(
            present(RecordType::HTTPS, &rdata),
            r#"1 . mandatory=alpn,key65025 alpn=h2,a\044\027\010\034 no-default-alpn port=443 ipv4hint=192.0.2.1,192.0.2.2 ech=YWJj ipv6hint=:: dohpath="/q{?dns}\027" key65025="\013\155""#
        );
    }

    #[test]
    fn base64_is_padded() {
        for (octets, shown) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            let mut text = String::new();
            base64(octets.as_bytes(), &mut text);
            assert_eq!(text, shown);
        }
    }

    proptest! {
        #[test]
        fn no_rdata_shows_anything_but_visible_ascii(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
            for rtype in types_shown() {
                let shown = present(RecordType(rtype), &octets);
                prop_assert!(shown.chars().all(|c| c.is_ascii() && is_visible(c)), "TYPE{rtype}: {shown:?}");
            }
        }
    }
}
