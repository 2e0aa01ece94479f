//! Sprig's encodings and sums.

use sha2::Digest as _;
use stagewright_go_template::function::{Row, arg, text};
use stagewright_go_template::{Ty, Value, json};

use Ty::{Any, Text};

/// The functions.
pub const TABLE: &[Row] = &[
    ("b64enc", &[Text], None, |args| {
        Ok(Value::text(encode(text(args, 0).as_bytes(), BASE64, 6)))
    }),
    ("b64dec", &[Text], None, |args| {
        Ok(Value::text(decode(text(args, 0), BASE64, 6)))
    }),
    ("b32enc", &[Text], None, |args| {
        Ok(Value::text(encode(text(args, 0).as_bytes(), BASE32, 5)))
    }),
    ("b32dec", &[Text], None, |args| {
        Ok(Value::text(decode(text(args, 0), BASE32, 5)))
    }),
    ("sha1sum", &[Text], None, |args| {
        Ok(Value::text(hex(&sha1::Sha1::digest(text(args, 0)))))
    }),
    ("sha256sum", &[Text], None, |args| {
        Ok(Value::text(hex(&sha2::Sha256::digest(text(args, 0)))))
    }),
    ("sha512sum", &[Text], None, |args| {
        Ok(Value::text(hex(&sha2::Sha512::digest(text(args, 0)))))
    }),
    ("adler32sum", &[Text], None, |args| {
        let (a, b) = text(args, 0).bytes().fold((1_u32, 0_u32), |(a, b), byte| {
            let a = (a + u32::from(byte)) % 65_521;
            (a, (b + a) % 65_521)
        });
        Ok(Value::text((b << 16 | a).to_string()))
    }),
    ("toJson", &[Any], None, |args| {
        Ok(Value::text(json::text(arg(args, 0))))
    }),
    ("mustToJson", &[Any], None, |args| {
        Ok(Value::text(json::text(arg(args, 0))))
    }),
    ("toRawJson", &[Any], None, |args| {
        Ok(Value::text(json::raw_text(arg(args, 0))))
    }),
    ("mustToRawJson", &[Any], None, |args| {
        Ok(Value::text(json::raw_text(arg(args, 0))))
    }),
    ("toPrettyJson", &[Any], None, |args| {
        Ok(Value::text(json::pretty_text(arg(args, 0))))
    }),
    ("mustToPrettyJson", &[Any], None, |args| {
        Ok(Value::text(json::pretty_text(arg(args, 0))))
    }),
    ("fromJson", &[Text], None, |args| {
        Ok(from_json(args).unwrap_or(Value::Nil))
    }),
    ("mustFromJson", &[Text], None, from_json),
];

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn from_json(args: &[Value]) -> Result<Value, String> {
    let json = serde_json::from_str(text(args, 0)).map_err(|error| error.to_string())?;
    Ok(json::decoded(&json))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes by so many bits a letter; the group is filled up with signs of equality.
fn encode(bytes: &[u8], letters: &[u8], bits: u32) -> String {
    let (group, width) = if bits == 6 { (3, 4) } else { (5, 8) };
    let mut out = String::with_capacity(bytes.len().div_ceil(group) * width);
    for chunk in bytes.chunks(group) {
        let value = chunk
            .iter()
            .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let value = value << (8 * (group - chunk.len()));
        let used = (chunk.len() * 8).div_ceil(bits as usize);
        for at in 0..width {
            let shift = bits * u32::try_from(width - 1 - at).unwrap_or(0);
            let letter = usize::try_from(value >> shift & ((1 << bits) - 1)).unwrap_or(0);
            out.push(if at < used {
                char::from(letters.get(letter).copied().unwrap_or(b'='))
            } else {
                '='
            });
        }
    }
    out
}

/// The bytes as text; sprig gives the error as the text.
fn decode(text: &str, letters: &[u8], bits: u32) -> String {
    let name = if bits == 6 { "base64" } else { "base32" };
    let width = if bits == 6 { 4 } else { 8 };
    let clean: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    let digits = clean
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |at| at + 1);
    let corrupt = |at: usize| format!("illegal {name} data at input byte {at}");
    let (mut value, mut held, mut out) = (0_u32, 0, Vec::new());
    for (at, byte) in clean.iter().take(digits).enumerate() {
        let Some(letter) = letters.iter().position(|letter| letter == byte) else {
            return corrupt(at);
        };
        value = value << bits | u32::try_from(letter).unwrap_or(0);
        held += bits;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(value >> held & 0xff).unwrap_or(0));
            value &= (1 << held) - 1;
        }
    }
    if !clean.len().is_multiple_of(width) || clean.len() - digits >= width || held >= bits {
        return corrupt(digits);
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (plain, base64, base32) in [
            ("", "", ""),
            ("f", "Zg==", "MY======"),
            ("foobar", "Zm9vYmFy", "MZXW6YTBOI======"),
            ("fooba", "Zm9vYmE=", "MZXW6YTB"),
        ] {
            assert_eq!(encode(plain.as_bytes(), BASE64, 6), base64);
            assert_eq!(encode(plain.as_bytes(), BASE32, 5), base32);
            assert_eq!(decode(base64, BASE64, 6), plain);
            assert_eq!(decode(base32, BASE32, 5), plain);
        }
        assert_eq!(
            decode("Zg=!", BASE64, 6),
            "illegal base64 data at input byte 2"
        );
    }
}
